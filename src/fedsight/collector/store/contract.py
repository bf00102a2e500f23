"""What a store of samples can be asked: the contract that the embedded store and InfluxDB keep.

Times are Unix nanoseconds, ranges half-open: `start <= time < end`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from fedsight.signals import Series

if TYPE_CHECKING:
    from fedsight.collector.store.samples import SampleReader

#: The label that stands for a series' name in a matcher, as in Prometheus.
NAME_LABEL = "__name__"
MatchOp = Literal["=", "!=", "=~", "!~"]
Aggregation = Literal["mean", "min", "max", "sum", "count", "last", "p50", "p95", "rate"]


class Matcher(NamedTuple):
    """A condition on one label; a label that a series does not have is the empty text.

    Regular expressions are RE2 and match the whole text.
    """

    label: str
    op: MatchOp
    value: str


@dataclass(frozen=True, slots=True)
class Selection:
    """The samples of the series that meet every matcher, between two times."""

    matchers: tuple[Matcher, ...]
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Points:
    """Points of one series in order of time; arrays of equal length, owned by the caller.

    `round` is -1 where a sample has none; it is None where points are windows.
    """

    series: Series
    time: NDArray[np.int64]
    value: NDArray[np.float64]
    round: NDArray[np.int32] | None = None


class SeriesSearch(Protocol):
    """Answers about series, over one snapshot of the store.

    Raises BadFieldError for a pattern that is no regular expression.
    """

    def matching(self, selection: Selection) -> int:
        """How many series may have a sample in the selection at most, without reading any."""
        ...

    def series(self, selection: Selection, limit: int) -> list[Series]:
        """At most `limit` series that have a sample in the selection, by name, then labels."""
        ...


class SampleSearch(SeriesSearch, Protocol):
    """Answers about samples, over one snapshot of the store.

    Raises BadFieldError for a pattern that is no regular expression.
    """

    def points(self, selection: Selection, limit: int) -> Iterator[Points]:
        """At most `limit` samples as they came in, each series in one piece, one after another.

        Of two samples of one series with the same time and round the later arrival counts.
        """
        ...

    def windows(self, selection: Selection, step: int, aggregation: Aggregation) -> list[Points]:
        """One point for each window of `step` ns that has samples, at the window's start.

        Windows begin at multiples of `step` since 1970. `rate` is the counter's rise a second
        within the window and up to its last sample from the one before it, a fall counted as a
        reset to 0 (as Prometheus does); percentiles interpolate linearly between samples. The
        sample before a window counts where it lies at most a step or five minutes before the
        window, whichever is longer; a lone sample without one has no rate.
        """
        ...


class SampleArchive(Protocol):
    """Where a store's samples are, shared by all reading threads.

    A snapshot is a reading transaction of the hot log; answers are good while it lasts.
    """

    def search(self, snapshot: sqlite3.Connection) -> SampleSearch:
        """What answers about samples."""
        ...

    def at_hand(self, snapshot: sqlite3.Connection, selection: Selection) -> SampleSearch | None:
        """What answers about the points of a selection where these are few and in memory.

        None where a file, another process or a lock may have to be waited for.
        """
        ...

    def run_samples(self, snapshot: sqlite3.Connection) -> SampleReader:
        """What gives a run's samples back round by round."""
        ...

    def lease(self) -> AbstractContextManager[None]:
        """Held from before a snapshot begins until it ends: what it names stays readable."""
        ...

    def close(self) -> None:
        """Let go of what reading took."""
        ...
