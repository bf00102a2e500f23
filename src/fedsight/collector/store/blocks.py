"""Samples of sealed files by row groups, kept decoded where they are asked for again.

DuckDB takes 2 ms to find one series in a file, and 0.04 ms a thousand samples to decode it; a row
group that is kept answers in some microseconds. Questions that touch much are not for this.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fedsight.collector.store.kept import Kept
from fedsight.collector.store.manifest import Segment
from fedsight.collector.store.overlap import Span
from fedsight.collector.store.raw import EMPTY, RawSamples, joined

#: What of row groups is kept at most, and rows that one question may take from there.
KEPT_BYTES = 64 * 2**20
MOST_ROWS = 2_000_000
LAYOUT_BYTES = 4 * 2**20
#: So few ranges are searched one by one, and so few groups are looked at in no time.
FEW = 16

#: Runs a query and gives its columns by name.
Query = Callable[[str, list[object]], dict[str, NDArray[Any]]]
ROWS = (
    "SELECT series, time, round, value FROM read_parquet(?)"
    " WHERE file_row_number >= {} AND file_row_number < {}"
)
LAYOUT = (
    "SELECT row_group_id AS id, row_group_num_rows AS n, stats_min_value::BIGINT AS low,"
    " stats_max_value::BIGINT AS high FROM parquet_metadata(?)"
    " WHERE path_in_schema = 'series' ORDER BY row_group_id"
)


class Layout(NamedTuple):
    """A file's row groups: where each begins and, at the end, the file's rows; and its series."""

    begin: NDArray[np.int64]
    low: NDArray[np.int64]
    high: NDArray[np.int64]

    def touched(self, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """The groups that may hold any of some series, which are sorted."""
        first, after = np.searchsorted(ids, self.low), np.searchsorted(ids, self.high, "right")
        return np.flatnonzero(after > first)


class Blocks:
    """Row groups of the files of one folder. Raises duckdb.Error for a file that is none."""

    def __init__(self, query: Query, path: Callable[[Segment], str]) -> None:
        self._query = query
        self._path = path
        self._layouts: Kept[str, Layout] = Kept(LAYOUT_BYTES)
        self.kept: Kept[tuple[str, int], RawSamples] = Kept(KEPT_BYTES)

    def retain(self, files: set[str]) -> None:
        """Let go of what is not of these files."""
        self._layouts.retain(lambda file: file in files)
        self.kept.retain(lambda key: key[0] in files)

    def raw(
        self, segments: Sequence[Segment], ids: NDArray[np.int64], spans: Sequence[Span]
    ) -> RawSamples | None:
        """Samples of some series in some spans of time, earlier arrivals first.

        None where they are better read from the files: there are many, or it is the first time
        that they are asked for.
        """
        ordered = np.sort(ids)
        plan = [(s, self._layout(s).touched(ordered)) for s in segments]
        if sum(self._rows(segment, groups) for segment, groups in plan) > MOST_ROWS:
            return None
        keys = [(segment.file, group) for segment, groups in plan for group in groups.tolist()]
        missing = [key for key in keys if self.kept.find(key) is None]
        if not self.kept.asked_before(missing):
            return None
        parts = [
            chosen(block, ordered.astype(np.int32), spans)
            for segment, groups in plan
            for block in self._blocks(segment, groups)
        ]
        return joined(parts)

    def ready(self, segments: Sequence[Segment], ids: NDArray[np.int64]) -> list[RawSamples] | None:
        """The row groups that may hold some series, where all are kept and they are few."""
        ordered = np.sort(ids)
        found: list[RawSamples] = []
        for segment in segments:
            layout = self._layouts.find(segment.file)
            if layout is None:
                return None
            for group in layout.touched(ordered).tolist():
                block = self.kept.find((segment.file, group))
                if block is None or len(found) == FEW:
                    return None
                found.append(block)
        return found

    def _layout(self, segment: Segment) -> Layout:
        found = self._layouts.find(segment.file)
        if found is None:
            told = self._query(LAYOUT, [self._path(segment)])
            begin = np.concatenate([[0], np.cumsum(told["n"])]).astype(np.int64)
            found = Layout(begin, told["low"], told["high"])
            self._layouts.keep(segment.file, found)
        return found

    def _rows(self, segment: Segment, groups: NDArray[np.int64]) -> int:
        begin = self._layout(segment).begin
        return int((begin[groups + 1] - begin[groups]).sum())

    def _blocks(self, segment: Segment, groups: NDArray[np.int64]) -> list[RawSamples]:
        """All blocks of a file that are wanted; those that are not kept are read together."""
        found = {group: self.kept.find((segment.file, group)) for group in groups.tolist()}
        missing = [group for group, block in found.items() if block is None]
        for few in _neighbours(missing):
            found.update(self._read(segment, few))
        return [block for block in found.values() if block is not None]

    def _read(self, segment: Segment, groups: list[int]) -> dict[int, RawSamples]:
        begin = self._layout(segment).begin[groups[0] : groups[-1] + 2]
        query = ROWS.format(int(begin[0]), int(begin[-1]))
        told = self._query(query, [self._path(segment)])
        whole = RawSamples(told["series"], told["time"], told["round"], told["value"])
        found = {}
        for group, (low, high) in zip(groups, pairwise((begin - begin[0]).tolist()), strict=True):
            # A copy of its own: a part would hold the whole in memory.
            found[group] = RawSamples._make(column[low:high].copy() for column in whole)
            for column in found[group]:
                column.flags.writeable = False
            self.kept.keep((segment.file, group), found[group])
        return found

    def clear(self) -> None:
        """Let go of all."""
        self._layouts.clear()
        self.kept.clear()


def _neighbours(groups: Sequence[int]) -> list[list[int]]:
    """Numbers in order, those that follow each other together."""
    found: list[list[int]] = []
    for group in groups:
        if found and found[-1][-1] == group - 1:
            found[-1].append(group)
        else:
            found.append([group])
    return found


def chosen(block: RawSamples, ids: NDArray[np.int32], spans: Sequence[Span]) -> RawSamples:
    """Some series, sorted, of a block in some spans of time."""
    low, high = block.series.searchsorted(ids), block.series.searchsorted(ids, "right")
    there = low < high
    if not there.any():
        return EMPTY
    return joined([_between(block, low[there], high[there], span) for span in spans])


def _between(
    block: RawSamples, low: NDArray[np.int64], high: NDArray[np.int64], span: Span
) -> RawSamples:
    first = placed(block.time, low, high, span.start)
    after = placed(block.time, low, high, span.end)
    counts = np.maximum(after - first, 0)
    total = int(counts.sum())
    if not total:
        return EMPTY
    if total == after[-1] - first[0]:  # all that lies between: no row need be looked up
        return RawSamples._make(column[first[0] : after[-1]] for column in block)
    rows = np.repeat(first - (np.cumsum(counts) - counts), counts) + np.arange(total)
    return block.where(rows)


def placed(
    time: NDArray[np.int64], low: NDArray[np.int64], high: NDArray[np.int64], moment: int
) -> NDArray[np.int64]:
    """Of each range of rising times, `low` to `high`, the first place not before `moment`.

    No range is empty.
    """
    if low.size <= FEW:  # steps for all at once cost more than each on its own
        ends = zip(low.tolist(), high.tolist(), strict=True)
        return np.array([lo + int(time[lo:hi].searchsorted(moment)) for lo, hi in ends], np.int64)
    low, high = low.astype(np.int64), high.astype(np.int64)
    if (time[low] >= moment).all():
        return low
    if (time[high - 1] < moment).all():
        return high
    last = len(time) - 1
    while (apart := low < high).any():
        middle = (low + high) // 2
        before = apart & (time[np.minimum(middle, last)] < moment)
        low, high = np.where(before, middle + 1, low), np.where(before | ~apart, high, middle)
    return low
