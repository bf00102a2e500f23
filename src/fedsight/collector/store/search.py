"""The embedded store's answers about samples: `SampleSearch` over one snapshot."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from fedsight.collector.store import manifest
from fedsight.collector.store.contract import Aggregation, Points, Selection
from fedsight.collector.store.hot_rows import HotPiece, HotRows
from fedsight.collector.store.overlap import Span
from fedsight.collector.store.raw import RawSamples, joined, runs_of, tidy, within
from fedsight.collector.store.sealed import NEEDED, Ready, Sealed
from fedsight.collector.store.series_index import SeriesIndex
from fedsight.collector.store.summing import AT_ONCE, Summing
from fedsight.collector.store.windowing import Windows, finished, lookback, windowed
from fedsight.door.refusal import BadFieldError
from fedsight.signals import Series

#: Up to so many samples it is quicker to read them all than to have DuckDB sum them up.
FEW = 50_000
#: Samples that are written as an answer in a millisecond.
AT_HAND = 5_000


class EmbeddedSearch:
    """As `SampleSearch`, over the sealed files and the hot log as a snapshot sees them."""

    def __init__(
        self,
        snapshot: sqlite3.Connection,
        index: SeriesIndex,
        hot: HotRows,
        sealed: Sealed,
        few: int = FEW,
    ) -> None:
        self._few = few
        self._index = index
        self._sealed = sealed
        index.refresh(snapshot)
        self._hot = hot.read(snapshot)
        self._segments = manifest.segments(snapshot)
        sealed.forget_gone(self._segments)
        self._raw = manifest.raw(self._segments)
        self._ready: Ready | None = None

    def matching(self, selection: Selection) -> int:
        """As `SampleSearch.matching`."""
        return len(self._index.select(selection.matchers))

    def at_hand(self, selection: Selection) -> bool:
        """Whether the points of a selection are few and in memory."""
        ids = self._index.select(selection.matchers)
        span = Span(selection.start, selection.end)
        few = self._estimate(ids, span) <= AT_HAND
        self._ready = self._sealed.ready(self._raw, ids, span) if few else None
        return self._ready is not None

    def series(self, selection: Selection, limit: int) -> list[Series]:
        """As `SampleSearch.series`."""
        ids = self._index.select(selection.matchers)
        spans = [Span(selection.start, selection.end)]
        rolled = [s for s in self._segments if s.step and s.source is None]
        there: list[NDArray[np.integer]] = [
            self._hot_rows(ids, spans[0]).series,
            self._sealed.series([*self._raw, *rolled], ids, spans),
        ]
        known = ids[np.isin(ids, np.concatenate(there))]
        return [self._index.series(id_) for id_ in known[:limit].tolist()]

    def points(self, selection: Selection, limit: int) -> Iterator[Points]:
        """As `SampleSearch.points`."""
        ids = self._index.select(selection.matchers)
        span = Span(selection.start, selection.end)
        if self._ready is not None and self._ready.ids is ids and self._ready.span == span:
            yield from self._pieces(ids, self._at_once(self._ready), limit)
            return
        density = max(1.0, self._estimate(ids, span) / max(1, len(ids)))
        at, left = 0, limit
        width = max(1, int(AT_ONCE / density))
        while at < len(ids) and left > 0:
            some = ids[at : at + width]
            samples = self._tidy(some, span)
            for found in self._pieces(some, samples, left):
                left -= len(found.time)
                yield found
            at += width
            # Series differ in how many samples they have: go on as those so far were.
            width = max(1, int(AT_ONCE / max(1.0, len(samples.time) / len(some))))

    def rows(self, selection: Selection) -> Iterator[RawSamples]:
        """All samples of a selection as they are in the store, by the ids of their series."""
        ids = np.sort(self._index.select(selection.matchers))
        span = Span(selection.start, selection.end)
        pieces = 1 + int(self._estimate(ids, span) / AT_ONCE)
        for some in np.array_split(ids, pieces):
            found = self._tidy(some, span)
            if len(found.time):
                yield found

    def windows(self, selection: Selection, step: int, aggregation: Aggregation) -> list[Points]:
        """As `SampleSearch.windows`."""
        if step <= 0:
            raise BadFieldError("step", f"must be above 0 ns, got {step}")
        ids = self._index.select(selection.matchers)
        span = Span(selection.start, selection.end)
        if self._rolled_alone() or self._estimate(ids, span) > self._few:
            parts = self._summing(ids, span, step, aggregation)
            return self._by_series(ids, parts)
        return self._by_series(ids, self._whole(ids, span, step, aggregation))

    def _rolled_alone(self) -> bool:
        """Whether there are roll-ups whose samples are gone."""
        return any(segment.step and segment.source is None for segment in self._segments)

    def _summing(
        self, ids: NDArray[np.int64], span: Span, step: int, aggregation: Aggregation
    ) -> Windows:
        if aggregation not in NEEDED:
            return self._whole(ids, span, step, aggregation)
        summing = Summing(self._sealed, self._segments, self._hot)
        return finished(summing.parts(ids, span, step, aggregation), step, aggregation)

    def _whole(
        self, ids: NDArray[np.int64], span: Span, step: int, aggregation: Aggregation
    ) -> Windows:
        """Windows of samples that are all read, some series at a time."""
        before = Span(max(0, span.start - lookback(step, aggregation)), span.end)
        ordered = np.sort(ids)
        pieces = 1 + int(self._estimate(ids, before) / AT_ONCE)
        found = [
            windowed(self._tidy(some, before), step, aggregation, span.start)
            for some in np.array_split(ordered, pieces)
            if some.size
        ]
        if not found:
            return Windows(np.zeros(0, np.int32), np.zeros(0, np.int64), np.zeros(0))
        return Windows._make(np.concatenate(column) for column in zip(*found, strict=True))

    def _tidy(self, ids: NDArray[np.int64], span: Span) -> RawSamples:
        """The samples of some series, sorted and each once."""
        if not ids.size:
            return tidy(joined([]))
        sealed = self._sealed.raw(self._raw, ids, [span])
        return tidy(joined([within(sealed, ids, *span), self._hot_rows(ids, span)]))

    def _at_once(self, ready: Ready) -> RawSamples:
        """As `_tidy`, of what is in memory."""
        hot = self._hot_rows(ready.ids, ready.span)
        if ready.in_order and not len(hot.time):
            return ready.samples()
        return tidy(joined([ready.samples(), hot]))

    def _hot_rows(self, ids: NDArray[np.int64], span: Span) -> RawSamples:
        return hot_rows(self._hot, ids, span)

    def _estimate(self, ids: NDArray[np.int64], span: Span) -> float:
        """How many samples sealed files may hold of some series, about."""
        if not ids.size:
            return 0.0
        low, high = int(ids.min()), int(ids.max())
        total = 0.0
        for segment in self._raw:
            series = min(high, segment.last_series) - max(low, segment.first_series) + 1
            time = min(span.end, segment.last_time + 1) - max(span.start, segment.first_time)
            if series > 0 and time > 0:
                share = min(series, len(ids)) / (segment.last_series - segment.first_series + 1)
                total += segment.n * share * time / (segment.last_time - segment.first_time + 1)
        return total

    def _pieces(self, ids: NDArray[np.int64], samples: RawSamples, limit: int) -> Iterator[Points]:
        """The points of each series in the order of `ids`, at most `limit` in all."""
        begins = runs_of(samples.series).tolist()
        part = dict(zip(samples.series[begins[:-1]].tolist(), pairwise(begins), strict=True))
        for id_ in ids.tolist():
            if id_ in part and limit > 0:
                low, high = part[id_]
                mine = slice(low, min(high, low + limit))
                limit -= mine.stop - low
                yield Points(
                    self._index.series(id_),
                    samples.time[mine].copy(),
                    samples.value[mine].copy(),
                    samples.round[mine].copy(),
                )

    def _by_series(self, ids: NDArray[np.int64], windows: Windows) -> list[Points]:
        """Columns sorted by series, parted by it, in the order of `ids`."""
        begins = runs_of(windows.series).tolist()
        part = dict(zip(windows.series[begins[:-1]].tolist(), pairwise(begins), strict=True))
        time, value = windows.start, windows.value
        return [
            Points(self._index.series(id_), time[slice(*part[id_])], value[slice(*part[id_])])
            for id_ in ids.tolist()
            if id_ in part
        ]


def hot_rows(pieces: Sequence[HotPiece], ids: NDArray[np.int64], span: Span) -> RawSamples:
    """The samples of some series in a span of time that are still in the hot log."""
    return joined([piece.within(ids, *span) for piece in pieces])
