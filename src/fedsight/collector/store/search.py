"""The embedded store's answers about samples: `SampleSearch` over one snapshot."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from fedsight.collector.store.contract import Aggregation, Points, Selection
from fedsight.collector.store.hot_rows import HotRows
from fedsight.collector.store.raw import RawSamples, joined, runs_of, tidy, within
from fedsight.collector.store.series_index import SeriesIndex
from fedsight.collector.store.windowing import lookback, windowed
from fedsight.door.refusal import BadFieldError
from fedsight.signals import Series


class EmbeddedSearch:
    """As `SampleSearch`, over the hot log as a snapshot sees it."""

    def __init__(self, snapshot: sqlite3.Connection, index: SeriesIndex, hot: HotRows) -> None:
        self._index = index
        index.refresh(snapshot)
        self._hot = hot.read(snapshot)

    def series(self, selection: Selection, limit: int) -> list[Series]:
        """As `SampleSearch.series`."""
        ids = self._index.select(selection.matchers)
        there = np.unique(self._raw(ids, selection.start, selection.end).series)
        known = ids[np.isin(ids, there)]
        return [self._index.series(id_) for id_ in known[:limit].tolist()]

    def points(self, selection: Selection, limit: int) -> Iterator[Points]:
        """As `SampleSearch.points`."""
        ids = self._index.select(selection.matchers)
        samples = tidy(self._raw(ids, selection.start, selection.end))
        begins = runs_of(samples.series)
        place = {int(samples.series[b]): at for at, b in enumerate(begins[:-1].tolist())}
        left = limit
        for id_ in ids.tolist():
            if id_ in place and left > 0:
                low, high = begins[place[id_]], begins[place[id_] + 1]
                part = slice(low, min(high, low + left))
                left -= part.stop - part.start
                yield Points(
                    self._index.series(id_),
                    samples.time[part].copy(),
                    samples.value[part].copy(),
                    samples.round[part].copy(),
                )

    def windows(self, selection: Selection, step: int, aggregation: Aggregation) -> list[Points]:
        """As `SampleSearch.windows`."""
        if step <= 0:
            raise BadFieldError("step", f"must be above 0 ns, got {step}")
        ids = self._index.select(selection.matchers)
        before = lookback(step, aggregation)
        samples = tidy(self._raw(ids, selection.start - before, selection.end))
        found = windowed(samples, step, aggregation, selection.start)
        return _by_series(self._index, ids, found.series, found.start, found.value)

    def _raw(self, ids: NDArray[np.int64], start: int, end: int) -> RawSamples:
        parts = [
            within(piece.samples, ids, start, end)
            for piece in self._hot
            if piece.first_time < end and piece.last_time >= start
        ]
        return joined(parts)


def _by_series(
    index: SeriesIndex,
    ids: NDArray[np.int64],
    series: NDArray[np.int32],
    time: NDArray[np.int64],
    value: NDArray[np.float64],
) -> list[Points]:
    """Columns sorted by series, parted by it, in the order of `ids`."""
    begins = runs_of(series).tolist()
    part = dict(zip(series[begins[:-1]].tolist(), pairwise(begins), strict=True))
    return [
        Points(index.series(id_), time[slice(*part[id_])], value[slice(*part[id_])])
        for id_ in ids.tolist()
        if id_ in part
    ]
