"""A collector process that only reads: it serves reads and the live stream beside the writer."""
