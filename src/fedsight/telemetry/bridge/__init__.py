"""The bridge: OTLP over gRPC and HTTP into samples, events, spans, and the windows of nodes.

https://opentelemetry.io/docs/specs/otlp/
"""
