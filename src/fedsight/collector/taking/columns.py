"""Columns of samples as JSON, from a producer that keeps no journal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import accumulate, pairwise
from types import MappingProxyType
from typing import Annotated, Any, NamedTuple

import msgspec
import numpy as np
from msgspec import Meta, Raw, Struct

from fedsight.collector.store.prepare import SampleBlock, columns_of
from fedsight.collector.taking.lifted import PLACE, lifted
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


class _Texts(NamedTuple):
    """Columns as JSON; `round` None: no sample has one."""

    series: bytes
    places: bytes
    times: bytes
    values: bytes
    rounds: bytes | None


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
        light = _lightened(body)
        if light is not None:
            block = self._light(light, unit)
            if block is not None:
                return block
        try:
            columns = _decode(body)
        except msgspec.ValidationError as error:
            raise bad_field(error) from None
        series = self._series.read(bytes(columns.series), "series")
        return self._block(_texts(columns), series, unit) or self._exact(columns, series, unit)

    def _light(self, texts: _Texts, unit: int) -> SampleBlock | None:
        """None where the whole body must be looked at: an array may be no JSON at all."""
        try:
            series = self._series.read(texts.series, "series")
        except BadFieldError:
            return None
        return self._block(texts, series, unit)

    def _block(self, texts: _Texts, series: list[Series], unit: int) -> SampleBlock | None:
        """None where the exact types must look."""
        arrays = self._numbers.columns(*texts[1:], len(series), LATEST // unit)
        if arrays is None:
            return None
        return SampleBlock(None, series, arrays[0], arrays[1] * unit, *arrays[2:])

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


def _texts(columns: _Columns, lifted_out: Mapping[str, bytes] = MappingProxyType({})) -> _Texts:
    """The columns as they stand in the body; some were lifted out of it."""
    of = lifted_out.get
    index = of("index") or bytes(columns.index)
    time, value = of("time") or bytes(columns.time), of("value") or bytes(columns.value)
    round_ = of("round") or bytes(columns.round)
    return _Texts(bytes(columns.series), index, time, value, None if round_ == b"null" else round_)


def _lightened(body: bytes) -> _Texts | None:
    """A body's columns, if those that are lifted out are numbers; None where it is decoded whole.

    Of a bad body nothing is told here: another look at the whole names what is wrong with it.
    """
    rest, arrays = lifted(body)
    if not arrays:
        return None
    try:
        columns = _decode(rest)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if any(bytes(getattr(columns, name)) != PLACE for name in arrays):
        return None
    return _texts(columns, arrays)


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
