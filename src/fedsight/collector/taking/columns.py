"""Columns of samples as JSON, from a producer that keeps no journal."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import Annotated, Any, NamedTuple

import msgspec
import numpy as np
from msgspec import Meta, Raw, Struct

from fedsight.collector.store.prepare import SampleBlock, columns_of
from fedsight.collector.taking.numbers import Arrays, NumberReader
from fedsight.collector.taking.series import SeriesReader
from fedsight.door.refusal import BadFieldError, bad_field
from fedsight.door.times import LATEST
from fedsight.signals import Round, SampleColumns, Series

#: What a time may count, in nanoseconds; InfluxDB's names.
UNITS = {
    "n": 1,
    "ns": 1,
    "u": 10**3,
    "us": 10**3,
    "µ": 10**3,
    "ms": 10**6,
    "s": 10**9,
    "m": 60 * 10**9,
    "h": 3600 * 10**9,
}


class DirectSamples(Struct, frozen=True):
    """Samples as columns of equal length; `index[i]` says which of `series` sample i belongs to.

    `time` counts what `precision` says, nanoseconds by default, since 1970. `round` may be left
    out: then no sample has one.
    """

    series: list[Series]
    index: list[int]
    time: list[Annotated[int, Meta(ge=0)]]
    value: list[float]
    round: list[Round | None] | None = None


class _Columns(Struct, frozen=True):
    """`DirectSamples`, still as JSON."""

    series: Raw
    index: Raw
    time: Raw
    value: Raw
    round: Raw = Raw(b"null")


class Columns(NamedTuple):
    """The samples of one body, and their first and last time; 0 and -1 where there are none."""

    block: SampleBlock
    first: int
    last: int


_decode = msgspec.json.Decoder(_Columns).decode


class ColumnReader:
    """Reads bodies of columns. For one thread at a time.

    Raises BadFieldError naming the field, msgspec.DecodeError where the body is not JSON,
    RecursionError where it is nested too deeply.
    """

    def __init__(self) -> None:
        self._series = SeriesReader()
        self._numbers = NumberReader()

    def read(self, body: bytes, unit: int) -> SampleBlock:
        """The samples; `unit` is what their times count, in ns."""
        try:
            columns = _decode(body)
        except msgspec.ValidationError as error:
            raise bad_field(error) from None
        series = self._series.read(bytes(columns.series), "series")
        index, time, value = bytes(columns.index), bytes(columns.time), bytes(columns.value)
        round_ = None if columns.round == b"null" else bytes(columns.round)
        arrays = self._numbers.columns(index, time, value, round_, len(series), LATEST // unit)
        if arrays is not None:
            return SampleBlock(None, series, arrays[0], arrays[1] * unit, *arrays[2:])
        return self._exact(columns, series, unit)

    def read_all(self, bodies: Sequence[bytes], unit: int) -> list[Columns | Exception]:
        """What `read` gives of each of them, or raises."""
        together = self._together(bodies, unit) if len(bodies) > 1 else None
        if together is not None:
            return [*together]
        return [self._alone(body, unit) for body in bodies]

    def _alone(self, body: bytes, unit: int) -> Columns | Exception:
        try:
            block = self.read(body, unit)
        except (BadFieldError, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            return error
        if not block.time.size:
            return Columns(block, 0, -1)
        return Columns(block, int(block.time.min()), int(block.time.max()))

    def _together(self, bodies: Sequence[bytes], unit: int) -> list[Columns] | None:
        """All of them by one reading of each column; None where one of them needs `read`."""
        try:
            many = [_decode(body) for body in bodies]
            series = [self._series.read(bytes(each.series), "series") for each in many]
        except (BadFieldError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None
        texts = [(bytes(c.index), bytes(c.time), bytes(c.value), bytes(c.round)) for c in many]
        rounds = any(text[3] != b"null" for text in texts)
        wide = 4 if rounds else 3
        counts = [_lengths(text[:wide]) for text in texts]
        if 0 in counts:
            return None
        columns = [_joined([text[at] for text in texts]) for at in range(wide)]
        lengths = [len(each) for each in series]
        limits = (max(lengths), LATEST // unit)
        round_ = columns[3] if rounds else None
        arrays = self._numbers.columns(columns[0], columns[1], columns[2], round_, *limits)
        if arrays is None or arrays[0].size != sum(counts):
            return None
        begins = [0, *accumulate(counts)]
        if (np.maximum.reduceat(arrays[0], begins[:-1]) >= lengths).any():
            return None
        return _parted(series, (arrays[0], arrays[1] * unit, arrays[2], arrays[3]), begins)

    def _exact(self, columns: _Columns, series: list[Series], unit: int) -> SampleBlock:
        """As its types read it: they say what is wrong."""
        times = list[Annotated[int, Meta(ge=0, le=LATEST // unit)]]
        index = exact_column(list[int], columns.index, "index")
        time = exact_column(times, columns.time, "time")
        value = exact_column(list[float], columns.value, "value")
        rounds = exact_column(list[Round | None] | None, columns.round, "round")
        rounds = [None] * len(index) if rounds is None else rounds
        try:
            block = columns_of(SampleColumns(series, index, time, value, rounds))
        except ValueError as error:
            raise BadFieldError("body", str(error)) from None
        scaled = block.time * np.int64(unit)
        return SampleBlock(None, series, block.index, scaled, block.value, block.round)


def _lengths(columns: Sequence[bytes]) -> int:
    """How many numbers each of the JSON arrays has if they are such; 0 where they differ."""
    commas = [column.count(b",") for column in columns]
    arrays = all(column.startswith(b"[") for column in columns)
    return commas[0] + 1 if arrays and commas.count(commas[0]) == len(commas) else 0


def _joined(arrays: Sequence[bytes]) -> bytes:
    return b"[" + b",".join([array[1:-1] for array in arrays]) + b"]"


def _parted(series: Sequence[list[Series]], arrays: Arrays, begins: Sequence[int]) -> list[Columns]:
    index, time, value, round_ = arrays
    first = np.minimum.reduceat(time, begins[:-1]).tolist()
    last = np.maximum.reduceat(time, begins[:-1]).tolist()
    found = []
    for at, (of, (low, high)) in enumerate(zip(series, pairwise(begins), strict=True)):
        part = (index[low:high], time[low:high], value[low:high], round_[low:high])
        found.append(Columns(SampleBlock(None, of, *part), first[at], last[at]))
    return found


def exact_column(kind: Any, raw: Raw, path: str) -> Any:
    """A column as its type; raises BadFieldError naming the entry, after `path`."""
    try:
        return msgspec.json.decode(raw, type=kind)
    except msgspec.ValidationError as error:
        bad = bad_field(error)
        inner = "" if bad.field == "body" else bad.field
        raise BadFieldError(f"{path}{inner}", str(bad)) from None
