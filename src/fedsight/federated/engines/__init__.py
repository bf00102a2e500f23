"""Where nodes are: in this process, one after the other or all at once, or behind a SuperLink."""
