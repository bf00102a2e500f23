"""Line protocol into columns of samples: good lines are kept, bad ones are told.

A field becomes a sample of the series `measurement_field` (of `measurement` for a field `value`),
tags become labels, a field `round` becomes the round of the line's samples. Texts, NaN and infinity
are no numbers: absent, and counted. True is 1, false 0.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from fedsight.collector.store.figures import LARGEST_COUNT
from fedsight.collector.store.names import names_of
from fedsight.collector.store.prepare import NO_ROUND, SampleBlock
from fedsight.collector.taking import line_table
from fedsight.collector.taking.alike_lines import alike
from fedsight.collector.taking.exact_lines import (
    LARGEST_ROUND,
    ROUND,
    BadLineError,
    read_line,
)
from fedsight.collector.taking.line_series import BAD, LineSeries
from fedsight.collector.taking.numbers import NumberReader
from fedsight.door.times import LATEST

#: So few lines are read one by one, and so few that look alike.
FEW = 16
FEW_ALIKE = 2
#: Bytes of a body that are not worth reading at once.
LITTLE = 2000
#: Bad lines that an answer names.
NAMED = 5


@dataclass
class Lines:
    """What a body said: samples as columns, each with its line's number (from 1)."""

    columns: SampleBlock
    line: NDArray[np.int32]
    absent: int
    bad: dict[int, str]

    def without(self, wrong: NDArray[np.bool_], why: str) -> Lines:
        """The same without those samples, whose lines are told as bad."""
        if not wrong.any():
            return self
        bad = {**self.bad, **dict.fromkeys(self.line[wrong].tolist(), why)}
        c, good = self.columns, ~wrong
        left = SampleBlock(
            None, c.series, c.index[good], c.time[good], c.value[good], c.round[good]
        )
        return Lines(left, self.line[good], self.absent, bad)


@dataclass
class _Gathered:
    """Pieces of columns, in the order in which they were read."""

    unit: int
    now: int
    series: list[NDArray[np.int64]] = field(default_factory=list)
    time: list[NDArray[np.int64]] = field(default_factory=list)
    value: list[NDArray[np.float64]] = field(default_factory=list)
    round: list[NDArray[np.int32]] = field(default_factory=list)
    line: list[NDArray[np.int64]] = field(default_factory=list)
    absent: int = 0
    bad: dict[int, str] = field(default_factory=dict)

    def add(
        self,
        series: NDArray[np.int64],
        time: NDArray[np.int64],
        value: NDArray[np.float64],
        round_: NDArray[np.int32],
        line: NDArray[np.int64],
    ) -> None:
        """A piece."""
        self.series.append(series)
        self.time.append(time)
        self.value.append(value)
        self.round.append(round_)
        self.line.append(line)


@dataclass(frozen=True)
class _Rows:
    """Lines that were parted: what of each is known. `time` (ns) is -1 where it cannot be."""

    number: NDArray[np.int64]
    head: NDArray[np.int64]
    time: NDArray[np.int64]


class LineReader:
    """Reads bodies of line protocol. For one thread at a time: it remembers series."""

    def __init__(self, little: int = LITTLE) -> None:
        """Bodies of so many bytes and fewer are not read at once."""
        self._little = little
        self._numbers = NumberReader()
        self._series = LineSeries()

    def read(self, body: bytes, unit: int, now: int) -> Lines:
        """What the body says. `unit`: what its times count, ns; a line without one has `now`."""
        if self._series.full:
            self._series = LineSeries()
        text = (body.replace(b"\r\n", b"\n") if b"\r" in body else body).rstrip(b"\n")
        gathered = _Gathered(unit, now)
        if text and not self._at_once(text, gathered):
            self._lines(text, np.arange(1, text.count(b"\n") + 2), gathered)
        return self._said(gathered)

    def _at_once(self, text: bytes, into: _Gathered) -> bool:
        """Read all lines together, where they are many and look alike."""
        found = alike(text, self._numbers) if len(text) > self._little else None
        if found is None or found.keys == (ROUND.encode(),):
            return False
        count = len(found.heads)
        number = np.arange(1, count + 1)
        head = self._series.cells(found.heads)
        rows = _Rows(number, head, _times(found.time, count, into))
        left = self._kept(rows, found.keys, found.values.T, into)
        lines = text.split(b"\n") if left else []
        for at in left:
            self._exactly(at + 1, lines[at], into)
        return True

    def _lines(self, text: bytes, number: NDArray[np.int64], into: _Gathered) -> None:
        """Read lines at once, or in halves where one of them needs the whole grammar."""
        if number.size <= FEW:
            for at, line in zip(number.tolist(), text.split(b"\n"), strict=True):
                self._exactly(at, line, into)
            return
        table = line_table.split(text, number.size, self._numbers)
        if table is not None:
            left = self._table(table, number, into)
            lines = text.split(b"\n") if left else []
            for at in left:
                self._exactly(int(number[at]), lines[at], into)
            return
        middle = text.find(b"\n", len(text) // 2)
        middle = text.rfind(b"\n") if middle < 0 else middle
        first = text.count(b"\n", 0, middle) + 1
        self._lines(text[:middle], number[:first], into)
        self._lines(text[middle + 1 :], number[first:], into)

    def _exactly(self, at: int, text: bytes, into: _Gathered) -> None:
        try:
            line = read_line(text, into.unit)
        except BadLineError as error:
            into.bad[at] = str(error)
            return
        into.absent += line.absent
        count = len(line.values)
        into.add(
            np.array([self._series.number(each) for each in line.series], np.int64),
            np.full(count, into.now if line.time is None else line.time),
            np.array(line.values, np.float64),
            np.full(count, NO_ROUND if line.round is None else line.round, np.int32),
            np.full(count, at),
        )

    def _table(
        self, table: line_table.Table, number: NDArray[np.int64], into: _Gathered
    ) -> list[int]:
        """Lines that were parted: all at once where they are alike, else each layout's together.

        Returns those that must be read one by one, as they were: where a line has a blank more and
        another one less, parts of two lines stand together.
        """
        time = _times(table.time, number.size, into)
        rows = _Rows(number, self._series.heads(table.heads), time)
        left = []
        for chosen in line_table.layouts(table.fields):
            left += self._layout(rows, table.fields, chosen, into)
        return left

    def _layout(
        self, rows: _Rows, fields: list[bytes], chosen: NDArray[np.int64], into: _Gathered
    ) -> list[int]:
        """Lines that look alike; returns those that must be read one by one."""
        if chosen.size <= FEW_ALIKE:
            return [int(at) for at in chosen]
        mine = [fields[at] for at in chosen]
        keys = line_table.keys_of(mine[0])
        values = None if keys is None else line_table.values_of(mine, keys, self._numbers)
        if keys is None or values is None or keys == (ROUND.encode(),):
            half = chosen.size // 2
            first = self._layout(rows, fields, chosen[:half], into)
            return first + self._layout(rows, fields, chosen[half:], into)
        some = _Rows(rows.number[chosen], rows.head[chosen], rows.time[chosen])
        return [int(chosen[at]) for at in self._kept(some, keys, values, into)]

    def _kept(
        self,
        rows: _Rows,
        keys: tuple[bytes, ...],
        values: NDArray[np.float64],
        into: _Gathered,
    ) -> list[int]:
        """Keep what lines with these fields say; returns those that must be read one by one."""
        series = self._series.fields(keys, rows.head)
        good = (rows.time >= 0) & (rows.head >= 0) & (series != BAD).all(axis=1)
        rounds = np.full(len(values), NO_ROUND, np.float64)
        if ROUND.encode() in keys:
            column = keys.index(ROUND.encode())
            rounds = values[:, column]
            good &= (rounds >= 0) & (rounds <= LARGEST_ROUND) & (rounds == np.floor(rounds))
            values, series = np.delete(values, column, 1), np.delete(series, column, 1)
        wide = values.shape[1]
        kept = slice(None) if good.all() else good
        into.add(
            series[kept].reshape(-1),
            np.repeat(rows.time[kept], wide),
            values[kept].reshape(-1),
            np.repeat(rounds[kept].astype(np.int32), wide),
            np.repeat(rows.number[kept], wide),
        )
        return np.flatnonzero(~good).tolist()

    def _said(self, gathered: _Gathered) -> Lines:
        series, index = self._series.compact(_joined(gathered.series, np.int64))
        columns = SampleBlock(
            None,
            series,
            index,
            _joined(gathered.time, np.int64),
            _joined(gathered.value, np.float64),
            _joined(gathered.round, np.int32),
        )
        line = _joined(gathered.line, np.int32)
        found = Lines(columns, line, gathered.absent, gathered.bad)
        return found.without(_no_counts(columns), "a count must be a whole number from 0 to 2^53")


def _times(time: NDArray[np.int64] | None, count: int, into: _Gathered) -> NDArray[np.int64]:
    """The time of each line, ns; -1 where it cannot be."""
    if time is None:
        return np.full(count, into.now)
    good = (time >= 0) & (time <= LATEST // into.unit)
    return np.where(good, time, -1) * np.where(good, into.unit, 1)


def told(bad: dict[int, str]) -> str:
    """The first bad lines and how many there are."""
    first = sorted(bad.items())[:NAMED]
    said = "; ".join(f"line {at}: {why}" for at, why in first)
    return said if len(bad) <= NAMED else f"{said}; and {len(bad) - NAMED} more"


def _joined(pieces: Iterable[NDArray], kind: type) -> NDArray:  # type: ignore[type-arg]
    return np.concatenate([np.zeros(0, kind), *pieces]).astype(kind, copy=False)


def _no_counts(columns: SampleBlock) -> NDArray[np.bool_]:
    """Which samples of a series that counts something are no count."""
    counted = names_of(columns.series).counted
    if counted is None:
        return np.zeros(columns.index.size, bool)
    value = columns.value
    whole = (value >= 0) & (value <= LARGEST_COUNT) & (value == np.floor(value))
    wrong: NDArray[np.bool_] = counted[columns.index] & ~whole
    return wrong
