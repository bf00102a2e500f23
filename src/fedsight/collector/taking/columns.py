"""Columns of samples as JSON, from a producer that keeps no journal."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
import numpy as np
from msgspec import Meta, Raw, Struct

from fedsight.collector.store.prepare import SampleBlock, columns_of
from fedsight.collector.taking.numbers import NumberReader
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


def exact_column(kind: Any, raw: Raw, path: str) -> Any:
    """A column as its type; raises BadFieldError naming the entry, after `path`."""
    try:
        return msgspec.json.decode(raw, type=kind)
    except msgspec.ValidationError as error:
        bad = bad_field(error)
        inner = "" if bad.field == "body" else bad.field
        raise BadFieldError(f"{path}{inner}", str(bad)) from None
