"""What a Prometheus target tells, parsed: families of numbers, histograms and summaries."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Labels = tuple[tuple[str, str], ...]
Kind = Literal["gauge", "counter", "histogram", "summary"]


@dataclass(frozen=True, slots=True)
class Number:
    """One value; `time` and `began` in Unix ns, where the target states them."""

    labels: Labels
    value: float
    time: int | None = None
    began: int | None = None


@dataclass(frozen=True, slots=True)
class Distribution:
    """A histogram: `counts` has one more than `bounds`, none of them cumulative."""

    labels: Labels
    bounds: tuple[float, ...]
    counts: tuple[int, ...]
    sum: float | None
    time: int | None = None
    began: int | None = None

    @property
    def value(self) -> float:
        """The number of observations, which falls where it began anew."""
        return sum(self.counts)


@dataclass(frozen=True, slots=True)
class Quantiles:
    """A summary: quantiles with their values, and what is counted over all time."""

    labels: Labels
    quantiles: tuple[tuple[float, float], ...]
    sum: float
    count: int
    time: int | None = None
    began: int | None = None

    @property
    def value(self) -> float:
        """The number of observations, which falls where it began anew."""
        return self.count


Point = Number | Distribution | Quantiles


@dataclass(frozen=True, slots=True)
class Family:
    """One metric: all its points are of its kind."""

    name: str
    kind: Kind
    about: str
    unit: str
    points: tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class Scraped:
    """One page; `left_out` points had no finite value or were no whole histogram."""

    families: tuple[Family, ...]
    left_out: int

    @property
    def points(self) -> int:
        """How many points it has."""
        return sum(len(family.points) for family in self.families)
