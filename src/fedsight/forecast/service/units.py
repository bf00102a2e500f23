"""Units of metrics. Placeholder."""

from __future__ import annotations


def unit_of(metric: str) -> str | None:
    return {"power_consumption": "W", "memory_usage": "MB"}.get(metric)
