"""The bridge: OTLP in."""
