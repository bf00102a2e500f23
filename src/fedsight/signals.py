"""The three nouns that cross rooms: a sample, an event, a span.

They are OpenTelemetry's metric point, log event and span, reduced to what a federation needs, so
that OTLP in and out is a plain mapping. A `Batch` is what one journal record holds and what
travels to the collector: samples as columns, events and spans as rows.

A figure that was not measured is absent: there is no sample for it. A value is always finite.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

NAME_PATTERN = r"^[A-Za-z_][A-Za-z0-9_.:\-]*$"

#: Unix nanoseconds, UTC, between 1970 and 2200. float64 seconds would merge distinct points.
Nanoseconds = Annotated[int, Meta(ge=0, le=7_258_118_400_000_000_000)]
Round = Annotated[int, Meta(ge=0, le=1_000_000_000)]
Name = Annotated[str, Meta(min_length=1, max_length=128, pattern=NAME_PATTERN)]
Text = Annotated[str, Meta(min_length=1, max_length=256)]
Labels = Annotated[dict[Name, Text], Meta(max_length=8)]
Phase = Literal["queued", "download", "train", "upload", "aggregate", "evaluate"]

#: A JSON value: null, bool, number, string, list or object of these.
Json = Any


class Sample(Struct, frozen=True):
    """One measured number.

    `round` is a field and never a label: as a label it would make a new series each round.
    Labels are few and of low cardinality: `run`, `node`.

    Raises ValueError where the value is not finite: what is not known is absent.
    """

    time: Nanoseconds
    name: Name
    value: float
    round: Round | None = None
    labels: Labels = msgspec.field(default_factory=dict)

    def __post_init__(self) -> None:
        if not math.isfinite(self.value):
            raise ValueError(f"sample {self.name!r} must be finite, got {self.value!r}")


class Event(Struct, frozen=True):
    """Something that happened: a round started, a client failed, a policy said no."""

    time: Nanoseconds
    source: Name
    kind: Name
    run: Text | None = None
    round: Round | None = None
    node: Text | None = None
    details: dict[str, Json] = msgspec.field(default_factory=dict)


class Span(Struct, frozen=True, array_like=True):
    """How long a phase of a round took on a node; `node` is None for the server.

    `start` and `end` are on the server's clock, so that a node's skew makes no span negative.
    A phase that the engine cannot know is absent.
    """

    run: Text
    round: Round
    node: Text | None
    phase: Phase
    start: Nanoseconds
    end: Nanoseconds
    ok: bool = True

    def __post_init__(self) -> None:
        if self.end < self.start:
            early = self.start - self.end
            raise ValueError(f"span {self.phase!r} ends {early} ns before it starts")

    @property
    def seconds(self) -> float:
        """Duration in seconds."""
        return (self.end - self.start) / 1e9


class Series(Struct, frozen=True):
    """What tells one line of points from another: its name and labels."""

    name: Name
    labels: Labels = msgspec.field(default_factory=dict)


class SampleColumns(Struct, frozen=True):
    """Samples of equal length columns; `index[i]` says which of `series` point i belongs to."""

    series: list[Series] = msgspec.field(default_factory=list)
    index: list[int] = msgspec.field(default_factory=list)
    time: list[Nanoseconds] = msgspec.field(default_factory=list)
    value: list[float] = msgspec.field(default_factory=list)
    round: list[Round | None] = msgspec.field(default_factory=list)

    def __post_init__(self) -> None:
        for column in ("time", "value", "round"):
            if len(getattr(self, column)) != len(self.index):
                raise ValueError(f"column {column!r} must have {len(self.index)} entries")
        if self.index and not 0 <= min(self.index) <= max(self.index) < len(self.series):
            raise ValueError(f"column 'index' must lie within {len(self.series)} series")

    def __len__(self) -> int:
        return len(self.index)


class Batch(Struct, frozen=True):
    """What one journal record holds: for a training run, all that one round gave."""

    samples: SampleColumns = msgspec.field(default_factory=SampleColumns)
    events: list[Event] = msgspec.field(default_factory=list)
    spans: list[Span] = msgspec.field(default_factory=list)


class Shipment(Struct, frozen=True):
    """A run of journal records on its way to the collector, in order.

    `first_seq` is the sequence number of `records[0]`; sequence numbers of a journal start at 1
    and have no holes. `oldest_seq` is the oldest record that the journal still holds: what lies
    before it cannot be had any more, and the collector records that gap instead of asking for it.
    """

    journal: Text
    first_seq: Annotated[int, Meta(ge=1)]
    oldest_seq: Annotated[int, Meta(ge=1)]
    records: Annotated[list[Batch], Meta(max_length=10_000)]


def batch(
    samples: Iterable[Sample] = (),
    events: Iterable[Event] = (),
    spans: Iterable[Span] = (),
) -> Batch:
    """Gather signals into one batch, samples as columns in the order given."""
    found: dict[tuple[str, tuple[tuple[str, str], ...]], int] = {}
    columns = SampleColumns()
    for sample in samples:
        key = (sample.name, tuple(sample.labels.items()))
        at = found.get(key)
        if at is None:
            at = found[key] = len(columns.series)
            columns.series.append(Series(sample.name, dict(sample.labels)))
        columns.index.append(at)
        columns.time.append(sample.time)
        columns.value.append(sample.value)
        columns.round.append(sample.round)
    return Batch(columns, list(events), list(spans))


def samples_of(columns: SampleColumns) -> list[Sample]:
    """The rows of sample columns: the inverse of `batch`."""
    rows = zip(columns.index, columns.time, columns.value, columns.round, strict=True)
    series = columns.series
    return [
        Sample(time, series[at].name, value, round_, series[at].labels)
        for at, time, value, round_ in rows
    ]


def series_key(name: str, labels: Mapping[str, str]) -> str:
    """A series as text, labels in order: `fl_accuracy{run="r-1"}`. Equal series, equal text."""
    quoted = ((key, msgspec.json.encode(labels[key]).decode()) for key in sorted(labels))
    return f"{name}{{{','.join(f'{key}={value}' for key, value in quoted)}}}"
