"""Answers about samples of which most are in InfluxDB and the newest still in the hot log.

Which series there are stands in the hot log's table `series`. What InfluxDB cannot be asked
raises: half an answer would pass for a whole one.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from fedsight.collector.influx.client import Influx, InfluxError
from fedsight.collector.influx.remote import AGGREGATIONS, Remote, Wanted
from fedsight.collector.store.contract import Aggregation, Points, Selection
from fedsight.collector.store.hot_rows import HotRows
from fedsight.collector.store.raw import RawSamples, joined, runs_of, tidy, within
from fedsight.collector.store.series_index import SeriesIndex
from fedsight.collector.store.windowing import Windows, lookback, windowed
from fedsight.door.refusal import BadFieldError, RefusedError
from fedsight.signals import Series

Answer = TypeVar("Answer")

#: Times that InfluxDB can be asked for.
LATEST = 2**63 - 2
#: Samples that one question reads from InfluxDB at most: about 2 GB while they are decoded.
MOST_READ = 5_000_000


class InfluxSearch:
    """As `SampleSearch`. Raises RefusedError (503) while InfluxDB cannot be asked."""

    def __init__(
        self, snapshot: sqlite3.Connection, index: SeriesIndex, hot: HotRows, influx: Influx
    ) -> None:
        self._index = index
        index.refresh(snapshot)
        # Before InfluxDB is asked: what moves there meanwhile is seen twice then, not missed.
        self._hot = hot.read(snapshot)
        self._remote = Remote(influx, index)

    def matching(self, selection: Selection) -> int:
        """As `SampleSearch.matching`."""
        return len(self._wanted(selection).ids)

    def series(self, selection: Selection, limit: int) -> list[Series]:
        """As `SampleSearch.series`."""
        wanted = self._wanted(selection)
        there = np.union1d(self._waiting(wanted).series, list(self._counts(wanted)))
        known = wanted.ids[np.isin(wanted.ids, there)]
        return [self._index.series(id_) for id_ in known[:limit].tolist()]

    def points(self, selection: Selection, limit: int) -> Iterator[Points]:
        """As `SampleSearch.points`."""
        wanted = self._first(self._wanted(selection), limit)
        samples = tidy(self._raw(wanted))
        part = _parts(samples.series)
        left = limit
        for id_ in wanted.ids.tolist():
            if id_ in part and left > 0:
                low, high = part[id_]
                some = slice(low, min(high, low + left))
                left -= some.stop - some.start
                yield Points(
                    self._index.series(id_),
                    samples.time[some].copy(),
                    samples.value[some].copy(),
                    samples.round[some].copy(),
                )

    def windows(self, selection: Selection, step: int, aggregation: Aggregation) -> list[Points]:
        """As `SampleSearch.windows`."""
        if step <= 0:
            raise BadFieldError("step", f"must be above 0 ns, got {step}")
        wanted = self._wanted(selection)
        found = self._windows(wanted, step, aggregation)
        part = _parts(found.series)
        return [
            Points(self._index.series(id_), found.start[low:high], found.value[low:high])
            for id_ in wanted.ids.tolist()
            if id_ in part
            for low, high in (part[id_],)
        ]

    def _windows(self, wanted: Wanted, step: int, aggregation: Aggregation) -> Windows:
        """By InfluxDB, where it has all of the samples and knows the aggregation."""
        if aggregation in AGGREGATIONS and not len(self._waiting(wanted).time):
            return self._pushed(wanted, step, aggregation)
        before = lookback(step, aggregation)
        samples = tidy(self._raw(wanted._replace(start=wanted.start - before)))
        return windowed(samples, step, aggregation, wanted.start)

    def _pushed(self, wanted: Wanted, step: int, aggregation: Aggregation) -> Windows:
        first = wanted.start // step
        if (wanted.end - 1) // step != first:
            return asked(lambda: self._remote.windows(wanted, step, aggregation))
        found = asked(lambda: self._remote.windows(wanted, None, aggregation))
        return found._replace(start=np.full(len(found.start), first * step, np.int64))

    def _wanted(self, selection: Selection) -> Wanted:
        ids = self._index.select(selection.matchers)
        return Wanted(ids, selection.matchers, selection.start, min(selection.end, LATEST))

    def _counts(self, wanted: Wanted) -> dict[int, float]:
        """How many samples of each series InfluxDB has."""
        found = asked(lambda: self._remote.windows(wanted, None, "count"))
        return dict(zip(found.series.tolist(), found.value.tolist(), strict=True))

    def _first(self, wanted: Wanted, limit: int) -> Wanted:
        """Only as many of the first series as have `limit` samples."""
        counts, ids = self._counts(wanted), wanted.ids
        held = np.cumsum([counts.get(id_, 0.0) for id_ in ids.tolist()])
        return wanted._replace(ids=ids[: int(np.searchsorted(held, limit)) + 1])

    def _raw(self, wanted: Wanted) -> RawSamples:
        """What is in InfluxDB, then what still waits, which came later."""
        number = sum(self._counts(wanted).values())
        if number > MOST_READ:
            raise RefusedError(
                422,
                "too_many_samples",
                f"this would read {number:.0f} samples, at most {MOST_READ} are read at once; ask"
                " for a shorter time, fewer series, or windows of mean, min, max, sum, count, last",
            )
        return joined([asked(lambda: self._remote.raw(wanted)), self._waiting(wanted)])

    def _waiting(self, wanted: Wanted) -> RawSamples:
        return joined(
            [
                within(piece.samples, wanted.ids, wanted.start, wanted.end)
                for piece in self._hot
                if piece.first_time < wanted.end and piece.last_time >= wanted.start
            ]
        )


def asked(question: Callable[[], Answer]) -> Answer:
    """What InfluxDB answers; RefusedError (503) where it does not."""
    try:
        return question()
    except InfluxError as error:
        raise RefusedError(503, "store", f"samples cannot be read: {error}") from error


def _parts(series: NDArray[np.int32]) -> dict[int, tuple[int, int]]:
    """Where each series begins and ends, in columns sorted by series."""
    begins = runs_of(series)
    names = series[begins[:-1]].tolist()
    return dict(zip(names, pairwise(begins.tolist()), strict=True))
