"""Figures and places as people write them, for messages."""

from __future__ import annotations

import math
from collections.abc import Mapping

#: Digits that count.
DIGITS = 6
LARGEST = 1e15
SMALLEST = 1e-4


def figure(value: float) -> str:
    """A number without an exponent where it can do without one: `1,000,000`, `0.0625`."""
    size = abs(value)
    if size and not SMALLEST <= size < LARGEST:
        return f"{value:.{DIGITS}g}"
    before = math.floor(math.log10(size)) + 1 if size else 1
    text = f"{value:,.{max(0, DIGITS - before)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def place(labels: Mapping[str, str]) -> str:
    """Labels in words: `run r-1, node client-4`."""
    return ", ".join(f"{name} {text}" for name, text in labels.items())


def named(metric: str, labels: Mapping[str, str]) -> str:
    """A series in words: `queue_depth (run r-1)`."""
    where = place(labels)
    return f"{metric} ({where})" if where else metric
