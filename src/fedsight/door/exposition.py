"""Prometheus' text format, version 0.0.4, by hand: pure functions.

https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"

Kind = Literal["counter", "gauge", "histogram"]


@dataclass(frozen=True)
class Figure:
    """One line: what stands behind the family's name, the labels, the value."""

    value: float
    labels: Mapping[str, str] = field(default_factory=dict)
    suffix: str = ""


@dataclass(frozen=True)
class Family:
    """One metric with everything known of it; without figures it is left out."""

    name: str
    kind: Kind
    about: str
    figures: tuple[Figure, ...]


class Histogram:
    """Counts observations in buckets; `bounds` are their upper ends, ascending."""

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def observe(self, value: float) -> None:
        """Count it."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self._sum += value

    def figures(self) -> tuple[Figure, ...]:
        """Cumulative buckets, sum and count."""
        total, found = 0, list[Figure]()
        for bound, count in zip((*self._bounds, math.inf), tuple(self._counts), strict=True):
            total += count
            found.append(Figure(total, {"le": number(bound)}, "_bucket"))
        return (*found, Figure(self._sum, suffix="_sum"), Figure(total, suffix="_count"))


def text(families: Iterable[Family]) -> str:
    """The page."""
    return "".join(line + "\n" for family in families for line in _lines(family))


def number(value: float) -> str:
    """A value as the format writes it."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    whole = float(value).is_integer() and abs(value) < 2**53
    return str(int(value)) if whole else repr(float(value))


def _lines(family: Family) -> Iterator[str]:
    if not family.figures:
        return
    about = family.about.replace("\\", "\\\\").replace("\n", "\\n")
    yield f"# HELP {family.name} {about}"
    yield f"# TYPE {family.name} {family.kind}"
    for figure in family.figures:
        pairs = ",".join(f'{name}="{_escaped(said)}"' for name, said in figure.labels.items())
        labels = f"{{{pairs}}}" if pairs else ""
        yield f"{family.name}{figure.suffix}{labels} {number(figure.value)}"


def _escaped(said: str) -> str:
    return said.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
