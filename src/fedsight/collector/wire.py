"""A shipment as its bytes arrive: its numbers go straight into arrays, its series are decoded once.

What the fast way does not take, or takes otherwise than `Shipment`'s own decoder would, that
decoder's types look at: they say which field is wrong.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta, Raw, Struct

from fedsight.collector.store.hotlog import Prepared
from fedsight.collector.store.prepare import (
    Record,
    SampleBlock,
    check_sequence,
    checked_record,
    columns_of,
)
from fedsight.collector.taking.columns import exact_column
from fedsight.collector.taking.numbers import NumberReader
from fedsight.collector.taking.series import SeriesReader
from fedsight.door.refusal import BadFieldError, bad_field
from fedsight.signals import (
    Batch,
    Event,
    Nanoseconds,
    Round,
    SampleColumns,
    Shipment,
    Span,
    Text,
)

EMPTY = b"[]"


class _Samples(Struct, frozen=True):
    """`SampleColumns`, still as JSON."""

    series: Raw = Raw(EMPTY)
    index: Raw = Raw(EMPTY)
    time: Raw = Raw(EMPTY)
    value: Raw = Raw(EMPTY)
    round: Raw = Raw(EMPTY)


class _Batch(Struct, frozen=True):
    """`Batch` with `_Samples`."""

    samples: _Samples = msgspec.field(default_factory=_Samples)
    events: list[Event] = msgspec.field(default_factory=list)
    spans: list[Span] = msgspec.field(default_factory=list)


class _Shipment(Struct, frozen=True):
    """`Shipment` with `_Batch`."""

    journal: Text
    first_seq: Annotated[int, Meta(ge=1)]
    oldest_seq: Annotated[int, Meta(ge=1)]
    records: Annotated[list[_Batch], Meta(max_length=10_000)]


_decode_shipment = msgspec.json.Decoder(_Shipment).decode
_COLUMNS: dict[str, Any] = {
    "index": list[int],
    "time": list[Nanoseconds],
    "value": list[float],
    "round": list[Round | None],
}


class ShipmentDecoder:
    """Decodes shipments, exactly as `Shipment`'s own decoder would. For one thread at a time.

    Both ways raise BadFieldError naming the field, msgspec.DecodeError where the body is not JSON,
    RecursionError where it is nested too deeply.
    """

    def __init__(self) -> None:
        self._series = SeriesReader()
        self._numbers = NumberReader()

    def prepared(self, body: bytes) -> Prepared:
        """The shipment, its records checked and ready to be written."""
        arrived = _arrived(body)
        check_sequence(arrived.first_seq, arrived.oldest_seq, len(arrived.records))
        records = [
            self._record(batch, f"records[{at}]") for at, batch in enumerate(arrived.records)
        ]
        return Prepared(arrived.journal, arrived.first_seq, arrived.oldest_seq, records)

    def decode(self, body: bytes) -> Shipment:
        """The shipment as its type."""
        arrived = _arrived(body)
        records = [
            Batch(self._exact(batch.samples, f"records[{at}].samples"), batch.events, batch.spans)
            for at, batch in enumerate(arrived.records)
        ]
        return Shipment(arrived.journal, arrived.first_seq, arrived.oldest_seq, records)

    def _record(self, batch: _Batch, path: str) -> Record:
        columns = self._columns(batch.samples, f"{path}.samples")
        return checked_record(columns, batch.events, batch.spans, path)

    def _columns(self, samples: _Samples, path: str) -> SampleBlock:
        series = self._series.read(bytes(samples.series), f"{path}.series")
        index, time, value = bytes(samples.index), bytes(samples.time), bytes(samples.value)
        arrays = self._numbers.columns(index, time, value, bytes(samples.round), len(series))
        if arrays is None:
            return columns_of(self._exact(samples, path))
        return SampleBlock(None, series, *arrays)

    def _exact(self, samples: _Samples, path: str) -> SampleColumns:
        series = self._series.read(bytes(samples.series), f"{path}.series")
        columns = {
            name: exact_column(kind, getattr(samples, name), f"{path}.{name}")
            for name, kind in _COLUMNS.items()
        }
        try:
            return SampleColumns(series, **columns)
        except ValueError as error:
            raise BadFieldError(path, str(error)) from None


def _arrived(body: bytes) -> _Shipment:
    try:
        return _decode_shipment(body)
    except msgspec.ValidationError as error:
        raise bad_field(error) from None
