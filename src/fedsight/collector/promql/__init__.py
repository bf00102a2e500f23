"""Prometheus's HTTP API over the store: PromQL, for Grafana and whatever else speaks it.

What of the language there is, and where it differs, is in docs/queries.md.
"""
