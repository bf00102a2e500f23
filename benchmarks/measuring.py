"""Taking turns, medians and spreads: how every benchmark here measures.

Two things that are timed one after the other on a shared machine differ by whatever happened in
between. So all take turns in blocks, in an order that changes from block to block; what is
compared is the ratio within a block, and the median of those ratios is quoted with its spread.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")

#: Below this many blocks a median says little.
FEWEST_BLOCKS = 5


@dataclass(frozen=True)
class Spread:
    """A median, quoted with the quartiles and the extremes of what it is the median of."""

    median: float
    quartiles: tuple[float, float]
    extremes: tuple[float, float]
    count: int

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """The spread of at least two values."""
        if len(values) < 2:
            raise ValueError(f"a spread needs at least 2 values, got {len(values)}")
        low, median, high = statistics.quantiles(values, n=4, method="inclusive")
        return cls(median, (low, high), (min(values), max(values)), len(values))


@dataclass(frozen=True)
class Rounds:
    """How long each round of one run took, seconds."""

    seconds: tuple[float, ...]

    @property
    def total(self) -> float:
        """All rounds, seconds."""
        return sum(self.seconds)

    @property
    def mean(self) -> float:
        """A round's mean, seconds: what a round costs with everything that happens now and then."""
        return self.total / len(self.seconds)

    @property
    def median(self) -> float:
        """A round's median, seconds."""
        return statistics.median(self.seconds)


def orders(names: Sequence[str], blocks: int) -> Iterator[tuple[str, ...]]:
    """The order of each block: forwards, backwards, then both again one place further on.

    Two names give AB BA BA AB, and three all six orders, so that a slow drift of the machine
    cancels and every pair is adjacent equally often.
    """
    for block in range(blocks):
        shift = block // 2 % len(names)
        order = (*names[shift:], *names[:shift])
        yield order[::-1] if block % 2 else order


def taking_turns(
    arms: Mapping[str, Callable[[], T]], blocks: int, say: Callable[[str], None]
) -> dict[str, list[T]]:
    """Call every arm once a block, in `orders`; returns what each gave, block by block."""
    if blocks < FEWEST_BLOCKS:
        raise ValueError(f"blocks must be at least {FEWEST_BLOCKS}, got {blocks}")
    found: dict[str, list[T]] = {name: [] for name in arms}
    for block, order in enumerate(orders(list(arms), blocks), 1):
        say(f"block {block} of {blocks}: {', '.join(order)}")
        for name in order:
            found[name].append(arms[name]())
    return found


def ratios(
    values: Sequence[T], references: Sequence[T], measure: Callable[[T], float]
) -> list[float]:
    """`measure(value) / measure(reference)` within each block."""
    pairs = zip(values, references, strict=True)
    return [measure(value) / measure(reference) for value, reference in pairs]


def shows(null_ratios: Sequence[float]) -> float:
    """What a comparison of something with itself shows: how far its median ratio is from 1."""
    return abs(statistics.median(null_ratios) - 1)
