"""From Prometheus targets to a bridge: scraped, kept on disk, sent as OTLP over gRPC."""
