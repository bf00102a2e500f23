"""A run's figures so far, kept up from the rounds that change. Pure."""

from __future__ import annotations

from collections.abc import Sequence


def total_after(total: float | None, old: float | None, new: float | None) -> float | None:
    """A sum over rounds after one of them went from `old` to `new`; None: not measured."""
    if old is None and new is None:
        return total
    return (total or 0) - (old or 0) + (new or 0)


def p95(seconds: Sequence[float]) -> float | None:
    """The 95th percentile (nearest rank); None before three rounds."""
    if len(seconds) < 3:
        return None
    return sorted(seconds)[-(-95 * len(seconds) // 100) - 1]


def stride(first: int, last: int, most: int) -> list[int]:
    """At most `most` whole numbers, evenly spread, both ends among them."""
    if last - first < most:
        return list(range(first, last + 1))
    return [first + round(at * (last - first) / (most - 1)) for at in range(most)]
