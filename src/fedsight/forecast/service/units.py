"""The unit that a metric is told in."""

from __future__ import annotations

from fedsight.forecast.derived import UNITS, column_name


def unit_of(metric: str) -> str | None:
    """None where it has none, or it is not known."""
    return UNITS.get(column_name(metric))
