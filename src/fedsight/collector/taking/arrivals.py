"""What came, counted: how many samples, how many late, ahead of the clock, absent or refused."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from fedsight.collector.store.prepare import Record, SampleBlock
from fedsight.collector.taking.series_ids import SeriesIds
from fedsight.door.times import LATEST

NEVER = -1


class Taken(Struct, frozen=True):
    """What became of the samples of one request; all of `stored` are on disk.

    `late`: older than the newest that was known of their series. `repeated`: of the same time and
    round as the newest one; the later arrival counts. `future`: ahead of the collector's clock.
    """

    stored: int = 0
    late: int = 0
    repeated: int = 0
    future: int = 0

    def __add__(self, other: Taken) -> Taken:
        return Taken(
            self.stored + other.stored,
            self.late + other.late,
            self.repeated + other.repeated,
            self.future + other.future,
        )


class Tally:
    """Counts since the start. `absent`: values of line protocol that are no number, as NaN is;
    `refused`: requests by the code of the refusal."""

    def __init__(self) -> None:
        self.samples = 0
        self.late = 0
        self.repeated = 0
        self.future = 0
        self.absent = 0
        self.refused: Counter[str] = Counter()

    def add(self, taken: Taken) -> None:
        """Count what was taken in."""
        self.samples += taken.stored
        self.late += taken.late
        self.repeated += taken.repeated
        self.future += taken.future


class Arrivals:
    """Remembers the newest sample of each series since the start: 12 bytes a series.

    For the writing thread, after each commit.
    """

    def __init__(self, ids: SeriesIds) -> None:
        self._ids = ids
        self._time = np.full(1024, NEVER, np.int64)
        self._round = np.full(1024, NEVER, np.int32)

    def noted(self, record: Record, now: int) -> Taken:
        """What this record's samples were, against what came before; `now` in ns."""
        if len(record.samples) == 1:
            return self._block(record.samples[0], now)
        return total(self._block(block, now) for block in record.samples)

    def _block(self, block: SampleBlock, now: int) -> Taken:
        series = self._ids.of(block.series).take(block.index)
        if not series.size:
            return Taken()
        self._grow(self._ids.largest)
        newest = self._time.take(series)
        late = repeated = 0
        if np.logical_or.reduce(block.time <= newest):
            late = int(np.count_nonzero(block.time < newest))
            again = (block.time == newest) & (block.round == self._round[series])
            repeated = int(np.count_nonzero(again))
        self._remember(series, block, newest if late else None)
        future = 0
        if np.maximum.reduce(block.time) > now:
            future = int(np.count_nonzero(block.time > now))
        return Taken(series.size, late, repeated, future)

    def _remember(
        self, series: NDArray[np.int64], block: SampleBlock, newest: NDArray[np.int64] | None
    ) -> None:
        """Of several samples of one series the last one, which is the newest, stays."""
        time, round_ = block.time, block.round
        if newest is not None:
            fresh = time >= newest
            series, time, round_ = series[fresh], time[fresh], round_[fresh]
        if np.logical_or.reduce(time[1:] < time[:-1]):
            order = np.argsort(time, kind="stable")
            series, time, round_ = series[order], time[order], round_[order]
        self._time[series] = time
        self._round[series] = round_

    def _grow(self, largest: int) -> None:
        if largest >= self._time.size:
            more = max(largest + 1, 2 * self._time.size) - self._time.size
            self._time = np.concatenate([self._time, np.full(more, NEVER, np.int64)])
            self._round = np.concatenate([self._round, np.full(more, NEVER, np.int32)])


def total(parts: Iterable[Taken]) -> Taken:
    """All of them together."""
    return sum(parts, Taken())


def beyond(time: NDArray[np.int64], now: int, ahead: int) -> int | None:
    """Where the first sample is that lies over `ahead` ns after `now`; None where none does."""
    latest = min(now + ahead, LATEST)
    if not time.size or np.maximum.reduce(time) <= latest:
        return None
    return int(np.argmax(time > latest))


def too_far(time: int, now: int, ahead: int) -> str:
    """Why such a sample is refused."""
    late, most = (time - now) / 1e9, ahead / 1e9
    return (
        f"is {late:.0f} s after the collector's clock, at most {most:.0f} s may be;"
        " check the clocks, and `precision`"
    )
