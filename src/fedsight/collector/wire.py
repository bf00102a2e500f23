"""A shipment as its bytes arrive. Series are decoded once, not with every record.

The records of a run name the same series each time, and checking 1,600 series' names and labels
takes longer than all else in a record of 200 clients together.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Annotated

import msgspec
from msgspec import Meta, Raw, Struct

from fedsight.door.refusal import BadFieldError, bad_field
from fedsight.signals import (
    Batch,
    Event,
    Nanoseconds,
    Round,
    SampleColumns,
    Series,
    Shipment,
    Span,
    Text,
)

#: Bytes of series kept decoded; the ones used longest ago are forgotten first.
REMEMBERED_BYTES = 4 * 2**20


class _Samples(Struct, frozen=True):
    """`SampleColumns` with its series still as JSON."""

    series: Raw = Raw(b"[]")
    index: list[int] = msgspec.field(default_factory=list)
    time: list[Nanoseconds] = msgspec.field(default_factory=list)
    value: list[float] = msgspec.field(default_factory=list)
    round: list[Round | None] = msgspec.field(default_factory=list)


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
_decode_series = msgspec.json.Decoder(list[Series]).decode


class ShipmentDecoder:
    """Decodes shipments, exactly as `Shipment`'s own decoder would. For one thread at a time."""

    def __init__(self) -> None:
        self._known: OrderedDict[bytes, list[Series]] = OrderedDict()
        self._held = 0

    def decode(self, body: bytes) -> Shipment:
        """The shipment; raises BadFieldError naming the field, msgspec.DecodeError where the body
        is not JSON, RecursionError where it is nested too deeply."""
        try:
            arrived = _decode_shipment(body)
        except msgspec.ValidationError as error:
            raise bad_field(error) from None
        records = [self._batch(batch, f"records[{at}]") for at, batch in enumerate(arrived.records)]
        return Shipment(arrived.journal, arrived.first_seq, arrived.oldest_seq, records)

    def _batch(self, batch: _Batch, path: str) -> Batch:
        samples = batch.samples
        try:
            series = self._series(bytes(samples.series))
        except msgspec.ValidationError as error:
            bad = bad_field(error)
            inner = "" if bad.field == "body" else bad.field
            raise BadFieldError(f"{path}.samples.series{inner}", str(bad)) from None
        try:
            columns = SampleColumns(
                series, samples.index, samples.time, samples.value, samples.round
            )
        except ValueError as error:
            raise BadFieldError(f"{path}.samples", str(error)) from None
        return Batch(columns, batch.events, batch.spans)

    def _series(self, raw: bytes) -> list[Series]:
        found = self._known.get(raw)
        if found is not None:
            self._known.move_to_end(raw)
            return found
        found = self._known[raw] = _decode_series(raw)
        self._held += len(raw)
        while self._held > REMEMBERED_BYTES:
            forgotten, _ = self._known.popitem(last=False)
            self._held -= len(forgotten)
        return found
