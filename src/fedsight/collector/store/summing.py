"""Sums windows up from files, roll-ups and hot rows, reading each sample in one place only.

Where one source alone has samples in a span of time, DuckDB sums its file up, or its roll-up where
the windows allow; where several do, the samples are read and those that came twice are counted
once. Counts, least, greatest and last values are the same either way; sums and means up to the
rounding of the order in which numbers are added.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from fedsight.collector.store import manifest
from fedsight.collector.store.contents import Whole
from fedsight.collector.store.contract import Aggregation
from fedsight.collector.store.hot_rows import HotPiece
from fedsight.collector.store.manifest import STEPS, Segment
from fedsight.collector.store.overlap import Span, outside, shared, united_spans
from fedsight.collector.store.raw import joined, tidy, within
from fedsight.collector.store.sealed import Sealed
from fedsight.collector.store.windowing import Partial, parted, united

#: Samples that are read at once, about: bounds the memory that a question takes.
AT_ONCE = 4_000_000
Rolled = dict[int, list[Segment]]


class Summing:
    """The sources of one snapshot."""

    def __init__(
        self, sealed: Sealed, segments: Sequence[Segment], hot: Sequence[HotPiece]
    ) -> None:
        self._sealed = sealed
        self._raw = manifest.raw(segments)
        self._rolled = [segment for segment in segments if segment.step]
        self._hot = hot

    def parts(
        self, ids: NDArray[np.int64], span: Span, step: int, aggregation: Aggregation
    ) -> Partial:
        """The windows of some series in a span."""
        if not ids.size:
            return united([])
        raw = [s for s in self._raw if s.first_time < span.end and s.last_time >= span.start]
        known, ids = self._whole(raw, ids, span, step)
        if not ids.size:
            return united(known)
        sources = [span_ for segment in raw for span_ in segment.times]
        sources += united_spans(span_ for piece in self._hot for span_ in piece.spans)
        mixed = shared(sources, span)
        clean = outside(mixed, span)
        found = known + self._mixed(raw, ids, mixed, span, step)
        for length, mine in self._by_rollup(raw, span, step).items():
            inner = [whole for c in clean if (whole := _whole(c, length))] if length else []
            edges = [left for c in clean for left in outside(inner, c)] if length else clean
            rolled = self._rollups_of(mine, length)
            found.append(self._sealed.parts(rolled, ids, inner, step, aggregation))
            found.append(self._sealed.parts(mine, ids, edges, step, aggregation))
        found += self._alone(ids, span, step, aggregation)
        return united(found)

    def _whole(
        self, raw: Sequence[Segment], ids: NDArray[np.int64], span: Span, step: int
    ) -> Whole:
        """What needs no sample read: one window over all of a series."""
        alone = any(segment.source is None for segment in self._rolled)
        if alone or not raw or span.start // step != (span.end - 1) // step:
            return Whole([], ids)
        hot = tidy(joined([piece.within(ids, *span) for piece in self._hot]))
        return self._sealed.whole(raw, hot, np.sort(ids), span, step)

    def _mixed(
        self,
        raw: Sequence[Segment],
        ids: NDArray[np.int64],
        mixed: Sequence[Span],
        span: Span,
        step: int,
    ) -> list[Partial]:
        """Hot rows, and what of the files lies in the same spans as them or as each other."""
        met = [
            s
            for s in raw
            if any(t.start < m.end and m.start < t.end for t in s.times for m in mixed)
        ]
        pieces = 1 + sum(segment.n for segment in met) // AT_ONCE
        found = []
        for some in np.array_split(np.sort(ids), min(pieces, len(ids))):
            hot = [piece.within(some, *span) for piece in self._hot]
            sealed = within(self._sealed.raw(met, some, mixed), some, *span)
            found.append(parted(tidy(joined([sealed, *hot])), step))
        return found

    def _by_rollup(self, raw: Iterable[Segment], span: Span, step: int) -> Rolled:
        """Raw files by the longest windows of theirs that fit; under 0 those without."""
        lengths: dict[int, int] = {}
        for rolled in self._rolled:
            if rolled.source is not None and fits(rolled.step, span, step):
                lengths[rolled.source] = max(rolled.step, lengths.get(rolled.source, 0))
        found: Rolled = {}
        for segment in raw:
            found.setdefault(lengths.get(segment.id, 0), []).append(segment)
        return found

    def _rollups_of(self, raw: Iterable[Segment], length: int) -> list[Segment]:
        sources = {segment.id for segment in raw}
        return [s for s in self._rolled if s.step == length and s.source in sources]

    def _alone(
        self, ids: NDArray[np.int64], span: Span, step: int, aggregation: Aggregation
    ) -> list[Partial]:
        """Roll-ups whose samples are gone, the longest of each that fit."""
        best: dict[tuple[int, int], Segment] = {}
        for segment in self._rolled:
            if segment.source is None and fits(segment.step, span, step):
                key = (segment.first_batch, segment.last_batch)
                if key not in best or best[key].step < segment.step:
                    best[key] = segment
        found = []
        for length in STEPS:
            mine = [segment for segment in best.values() if segment.step == length]
            whole = _whole(span, length)
            if mine and whole:
                found.append(self._sealed.parts(mine, ids, [whole], step, aggregation))
        return found


def fits(length: int, span: Span, step: int) -> bool:
    """Whether windows of `step` can be put together of windows of `length`."""
    return step % length == 0 or span.start // step == (span.end - 1) // step


def _whole(span: Span, length: int) -> Span | None:
    """The windows of `length` that lie wholly within."""
    start, end = -(-span.start // length) * length, span.end // length * length
    return Span(start, end) if start < end else None
