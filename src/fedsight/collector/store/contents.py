"""What each series of a sealed file comes to, kept: one window over all of it needs no sample read.

"The last value of each client" and "how many samples has each" ask for all of a series mostly. A
file's contents take a scan of the file to make, so they are made when asked for a second time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fedsight.collector.store.kept import Kept
from fedsight.collector.store.manifest import Segment
from fedsight.collector.store.overlap import Span
from fedsight.collector.store.raw import RawSamples, runs_of
from fedsight.collector.store.windowing import Partial, parted

KEPT_BYTES = 32 * 2**20
MEETINGS_BYTES = 2**20
#: Samples of two files that lie in the same spans of time, up to which it is looked who meets.
MOST_MET = 2_000_000

Query = Callable[[str, list[object]], dict[str, NDArray[Any]]]
CONTENTS = (
    "SELECT series, count(*) AS number, sum(value) AS total, min(value) AS least,"
    " max(value) AS most, arg_max(value, file_row_number) AS last, max(time) AS last_time,"
    " min(time) AS first_time FROM read_parquet(?) GROUP BY series ORDER BY series"
)
MEETING = (
    "SELECT DISTINCT one.series FROM (SELECT series, time FROM read_parquet(?) WHERE {0}) one"
    " SEMI JOIN (SELECT series, time FROM read_parquet(?) WHERE {0}) other"
    " USING (series, time) ORDER BY 1"
)


class Contents(NamedTuple):
    """All samples of each series of a file, which are in order of their ids."""

    series: NDArray[np.int32]
    number: NDArray[np.int64]
    total: NDArray[np.float64]
    least: NDArray[np.float64]
    most: NDArray[np.float64]
    last: NDArray[np.float64]
    last_time: NDArray[np.int64]
    first_time: NDArray[np.int64]

    def of(self, ids: NDArray[np.int64]) -> Contents:
        """Those of some series in their order; of one that is not there, `number` is 0."""
        place = np.minimum(self.series.searchsorted(ids.astype(np.int32)), len(self.series) - 1)
        found = Contents._make(column[place] for column in self)
        there = np.where(found.series == ids, found.number, 0)
        return found._replace(series=ids.astype(np.int32), number=there)

    def window(self, window: int, which: NDArray[np.bool_]) -> Partial:
        """Some series as the window of this number."""
        few = Contents._make(column[which] for column in self)
        number = np.full(len(few.series), window, np.int64)
        return Partial(
            few.series, number, few.number, few.total, few.least, few.most, few.last, few.last_time
        )


class Meeting(NamedTuple):
    """The series of which two files have a sample of the same time."""

    series: NDArray[np.int32]


class FileContents:
    """The contents of the files of one folder."""

    def __init__(self, query: Query, path: Callable[[Segment], str]) -> None:
        self._query = query
        self._path = path
        self._kept: Kept[str, Contents] = Kept(KEPT_BYTES)
        self._meetings: Kept[tuple[str, str], Meeting] = Kept(MEETINGS_BYTES)

    def of(self, segments: Sequence[Segment]) -> list[Contents] | None:
        """What is in each file; None the first time that any of them is asked for.

        Raises duckdb.Error.
        """
        missing = [s for s in segments if self._kept.find(s.file) is None]
        if not self._kept.asked_before(segment.file for segment in missing):
            return None
        return [self._kept.find(s.file) or self._read(s) for s in segments]

    def _read(self, segment: Segment) -> Contents:
        told = self._query(CONTENTS, [self._path(segment)])
        found = Contents._make(told[name] for name in Contents._fields)
        self._kept.keep(segment.file, found)
        return found

    def meeting(self, one: Segment, other: Segment) -> NDArray[np.int32] | None:
        """Series of which two files have a sample of the same time; None where that is much work.

        Raises duckdb.Error.
        """
        spans = crossing(one.times, other.times)
        if not spans:
            return np.zeros(0, np.int32)
        found = self._meetings.find((one.file, other.file))
        if found is None:
            if _met(one, spans) + _met(other, spans) > MOST_MET:
                return None
            where = " OR ".join(f"(time >= {s.start} AND time < {s.end})" for s in spans)
            files: list[object] = [self._path(one), self._path(other)]
            found = Meeting(self._query(MEETING.format(where), files)["series"])
            self._meetings.keep((one.file, other.file), found)
        return found.series

    def retain(self, files: set[str]) -> None:
        """Let go of what is not of these files."""
        self._kept.retain(lambda file: file in files)
        self._meetings.retain(lambda pair: files.issuperset(pair))

    def clear(self) -> None:
        """Let go of all."""
        self._kept.clear()
        self._meetings.clear()


def crossing(one: Sequence[Span], other: Sequence[Span]) -> list[Span]:
    """The spans of time that lie in both."""
    both = (Span(max(a.start, b.start), min(a.end, b.end)) for a in one for b in other)
    return [span for span in both if span.start < span.end]


def _met(segment: Segment, spans: Sequence[Span]) -> float:
    """About how many samples of a file lie in some spans, were they spread evenly."""
    own = sum(span.end - span.start for span in segment.times)
    return segment.n * sum(span.end - span.start for span in spans) / max(1, own)


class Whole(NamedTuple):
    """What was put together of contents, and the series for which that cannot be done."""

    parts: list[Partial]
    others: NDArray[np.int64]


def whole(
    files: Sequence[tuple[Segment, Contents]],
    meeting: Callable[[Segment, Segment], NDArray[np.int32] | None],
    hot: RawSamples,
    ids: NDArray[np.int64],
    span: Span,
    step: int,
) -> Whole:
    """The one window of `step` in which `span` lies, of each series that lies in the span wholly.

    `ids` are in order, `hot` are tidy samples of these series in the span. Where two sources have a
    sample of the same time and series, they may be one and the same: such a series is left out.
    """
    good = np.ones(len(ids), bool)
    mine = [(segment, contents.of(ids)) for segment, contents in files]
    there = []
    for _, each in mine:
        within = (each.first_time >= span.start) & (each.last_time < span.end)
        apart = (each.last_time < span.start) | (each.first_time >= span.end)
        good &= within | apart | (each.number == 0)
        there.append(within & (each.number > 0))
    for (one, first), (other, second) in combinations(mine, 2):
        over = (first.first_time <= second.last_time) & (second.first_time <= first.last_time)
        over &= (first.number > 0) & (second.number > 0)
        if (over & good).any():
            met = meeting(one, other)
            good &= ~over if met is None else ~(over & np.isin(ids, met))
    window = span.start // step
    recent = parted(hot, step)
    good &= ~_meets_hot(hot, ids, [each for _, each in mine])
    parts = [e.window(window, has & good) for (_, e), has in zip(mine, there, strict=True)]
    now = np.isin(recent.series, ids[good])
    parts.append(Partial._make(column[now] for column in recent))
    return Whole(parts, ids[~good])


def _meets_hot(
    hot: RawSamples, ids: NDArray[np.int64], files: Sequence[Contents]
) -> NDArray[np.bool_]:
    """Of which series the hot samples and a file's lie in the same time."""
    meets = np.zeros(len(ids), bool)
    begins = runs_of(hot.series)
    first, after = begins[:-1], begins[1:]
    place = ids.searchsorted(hot.series[first].astype(np.int64))
    for each in files:
        over = hot.time[first] <= each.last_time[place]
        over &= hot.time[after - 1] >= each.first_time[place]
        meets[place[over & (each.number[place] > 0)]] = True
    return meets
