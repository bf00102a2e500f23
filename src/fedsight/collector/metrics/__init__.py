"""The collector's own figures, for Prometheus."""
