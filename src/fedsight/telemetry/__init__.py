"""Telemetry of nodes: from their exporters over OTLP into sliding windows."""
