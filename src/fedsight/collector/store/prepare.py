"""Check a shipment's records and turn them into what the tables hold. Pure: no clock, no disk."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Literal, get_args

import msgspec
import numpy as np
from msgspec import Meta, Struct
from numpy.typing import NDArray

from fedsight.collector.store.figures import LARGEST_COUNT
from fedsight.collector.store.names import names_of
from fedsight.collector.store.present import RoundWaiting, RunPaused, RunStalled
from fedsight.door.refusal import BadFieldError, bad_field
from fedsight.signals import Batch, Event, Phase, SampleColumns, Series, Shipment, Span, Text

PHASES: tuple[Phase, ...] = get_args(Phase)
PHASE_CODE: dict[str, int] = {phase: code for code, phase in enumerate(PHASES)}
NO_ROUND = -1

Count = Annotated[int, Meta(ge=0, le=LARGEST_COUNT)]


class RunStarted(Struct, frozen=True):
    """The details of a RUN_STARTED event."""

    task: Text | None = None
    engine: Text | None = None
    strategy: Text | None = None
    rounds: Count | None = None
    nodes: list[Text] = msgspec.field(default_factory=list)
    model_parameters: Count | None = None
    config: dict[str, Any] = msgspec.field(default_factory=dict)


class RunEnded(Struct, frozen=True):
    """The details of a RUN_ENDED event."""

    state: Literal["finished", "failed", "interrupted", "stopped"]
    reason: str | None = None


class RunContinued(Struct, frozen=True):
    """The details of a RUN_CONTINUED event: the run goes on after its last whole round."""

    from_round: Count
    rounds: Count | None = None


class ClientOutcome(Struct, frozen=True):
    """The details of an event that says why a client's update is not in the round."""

    message: str | None = None


Details = (
    RunStarted | RunContinued | RunEnded | RoundWaiting | RunStalled | RunPaused | ClientOutcome
)

DETAILS: dict[str, type[Details]] = {
    "RUN_STARTED": RunStarted,
    "RUN_CONTINUED": RunContinued,
    "RUN_ENDED": RunEnded,
    "ROUND_WAITING": RoundWaiting,
    "RUN_STALLED": RunStalled,
    "RUN_PAUSED": RunPaused,
    "CLIENT_FAILED": ClientOutcome,
    "UPDATE_REJECTED": ClientOutcome,
    "CLIENT_SILENT": ClientOutcome,
}

#: Events that are part of a run's own story; others may name a run that never began here.
RUN_KINDS = frozenset(
    {
        "RUN_STARTED",
        "RUN_CONTINUED",
        "NODES_SELECTED",
        "ROUND_STARTED",
        "ROUND_WAITING",
        "CLIENT_FAILED",
        "CLIENT_LATE",
        "UPDATE_REJECTED",
        "UPDATE_SUSPECTED",
        "UPDATE_CLEARED",
        "CLIENT_SILENT",
        "NODE_REFUSED",
        "NODE_SILENT",
        "NODE_RETURNED",
        "ROUND_COMPLETED",
        "ROUND_FAILED",
        "RUN_STALLED",
        "RUN_STALL_ENDED",
        "RUN_PAUSED",
        "RUN_RESUMED",
        "RUN_ENDED",
    }
)


@dataclass(frozen=True, slots=True)
class SampleBlock:
    """Samples of one run (None: of no run) as columns; `index` points into `series`."""

    run: str | None
    series: list[Series]
    index: NDArray[np.int32]
    time: NDArray[np.int64]
    value: NDArray[np.float64]
    round: NDArray[np.int32]

    @property
    def round_range(self) -> tuple[int, int] | tuple[None, None]:
        """The first and last round among the samples that have one."""
        return range_of(self.round)


def range_of(rounds: NDArray[np.int32]) -> tuple[int, int] | tuple[None, None]:
    """The first and last of those that are one."""
    known = rounds[rounds >= 0]
    return (int(known.min()), int(known.max())) if known.size else (None, None)


@dataclass(frozen=True, slots=True)
class SpanBlock:
    """Spans of one round of a run as columns; `node` points into `nodes`, -1 for the server."""

    run: str
    round: int
    nodes: list[str]
    node: NDArray[np.int32]
    phase: NDArray[np.int8]
    ok: NDArray[np.int8]
    start: NDArray[np.int64]
    duration: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class EventEntry:
    """An event with its details as JSON, and as their type where the kind has one."""

    event: Event
    json: str
    details: Details | None


@dataclass(frozen=True, slots=True)
class Record:
    """One journal record, checked and ready to be written."""

    samples: list[SampleBlock]
    spans: list[SpanBlock]
    events: list[EventEntry]
    figures: dict[tuple[str, int], dict[str, float]]
    runs: dict[str, tuple[int, int]]


def prepare(shipment: Shipment) -> list[Record]:
    """The records of a shipment; raises BadFieldError for the first value out of range."""
    check_sequence(shipment.first_seq, shipment.oldest_seq, len(shipment.records))
    return [_prepared(batch, f"records[{at}]") for at, batch in enumerate(shipment.records)]


def check_sequence(first_seq: int, oldest_seq: int, records: int) -> None:
    """Raises BadFieldError for a sequence number that is too large."""
    for name, value in (("first_seq", first_seq), ("oldest_seq", oldest_seq)):
        if value + records > LARGEST_COUNT:
            raise BadFieldError(name, f"must be at most 2^53, got {value}")


def own(batch: Batch) -> Record:
    """Signals of the collector's own, checked as a shipment's are."""
    return _prepared(batch, "own")


def _prepared(batch: Batch, path: str) -> Record:
    columns = columns_of(batch.samples)
    return checked_record(columns, batch.events, batch.spans, path)


def checked_record(
    columns: SampleBlock, events: list[Event], spans: list[Span], path: str = ""
) -> Record:
    """A record of these; raises BadFieldError for a value that cannot be, its field after `path`.

    Indices, times and rounds were checked where they were decoded.
    """
    inner = f"{path}." if path else ""
    _check_values(columns, f"{inner}samples." if path else "")
    blocks = list(_blocks(columns)) if len(columns.index) else []
    entries = [_entry(event, f"{inner}events[{at}]") for at, event in enumerate(events)]
    figures = _figures(columns) if len(columns.index) else {}
    runs = _runs(blocks, events, spans)
    return Record(blocks, list(_span_blocks(spans)), entries, figures, runs)


def plain_record(columns: SampleBlock, times: tuple[int, int]) -> Record:
    """As `checked_record`, of samples alone that came as JSON, which knows no infinity.

    `times` are the first and the last one of them.
    """
    named = names_of(columns.series)
    special = len(named.runs) != 1 or named.figures or named.counted is not None
    if special or not columns.index.size:
        return checked_record(columns, [], [])
    run = named.runs[0]
    arrays = (columns.index, columns.time, columns.value, columns.round)
    block = SampleBlock(run, columns.series, *arrays)
    runs = {} if run is None or not named.federated else {run: times}
    return Record([block], [], [], {}, runs)


def columns_of(samples: SampleColumns) -> SampleBlock:
    """All samples of a batch as arrays."""
    return SampleBlock(
        None,
        samples.series,
        np.array(samples.index, np.int32),
        np.array(samples.time, np.int64),
        np.array(samples.value, np.float64),
        np.array([NO_ROUND if r is None else r for r in samples.round], np.int32),
    )


def _check_values(columns: SampleBlock, path: str) -> None:
    value = columns.value
    _check_all(np.isfinite(value), f"{path}value", value, "a finite number")
    counted = names_of(columns.series).counted
    if columns.index.size and counted is not None:
        whole = (value >= 0) & (value <= LARGEST_COUNT) & (value == np.floor(value))
        wanted = "a whole number from 0 to 2^53"
        _check_all(whole | ~counted[columns.index], f"{path}value", value, wanted)


def _check_all(good: NDArray[np.bool_], path: str, value: NDArray[np.float64], what: str) -> None:
    if not np.logical_and.reduce(good):
        at = int(np.argmin(good))
        raise BadFieldError(f"{path}[{at}]", f"must be {what}, got {float(value[at])!r}")


def _blocks(columns: SampleBlock) -> Iterator[SampleBlock]:
    """Part the samples by run, in the order in which the runs first appear."""
    named = names_of(columns.series)
    if len(named.runs) == 1:
        arrays = (columns.index, columns.time, columns.value, columns.round)
        yield SampleBlock(named.runs[0], columns.series, *arrays)
        return
    of_sample = named.run[columns.index]
    for at, run in enumerate(named.runs):
        mine = of_sample == at
        if mine.any():
            arrays = (columns.index, columns.time, columns.value, columns.round)
            yield SampleBlock(run, columns.series, *(array[mine] for array in arrays))


def _figures(columns: SampleBlock) -> dict[tuple[str, int], dict[str, float]]:
    """Figures of whole rounds, from series labelled with nothing but their run."""
    named = names_of(columns.series).figures
    if not named:
        return {}
    found: dict[tuple[str, int], dict[str, float]] = {}
    wanted = np.isin(columns.index, list(named)) & (columns.round >= 0)
    for at in np.flatnonzero(wanted).tolist():
        run, column = named[int(columns.index[at])]
        figures = found.setdefault((run, int(columns.round[at])), {})
        figures[column] = float(columns.value[at])
    return found


def _entry(event: Event, path: str) -> EventEntry:
    kind = DETAILS.get(event.kind)
    details = None
    if kind is not None:
        try:
            details = msgspec.convert(event.details, kind)
        except msgspec.ValidationError as error:
            bad = bad_field(error)
            inner = "" if bad.field == "body" else f".{bad.field}"
            raise BadFieldError(f"{path}.details{inner}", str(bad)) from error
    return EventEntry(event, msgspec.json.encode(event.details).decode(), details)


def _span_blocks(spans: Iterable[Span]) -> Iterator[SpanBlock]:
    groups: dict[tuple[str, int], list[Span]] = {}
    for span in spans:
        groups.setdefault((span.run, span.round), []).append(span)
    for (run, round_), group in groups.items():
        nodes = list(dict.fromkeys(s.node for s in group if s.node is not None))
        code: dict[str | None, int] = {node: at for at, node in enumerate(nodes)}
        yield SpanBlock(
            run,
            round_,
            nodes,
            np.array([-1 if s.node is None else code[s.node] for s in group], np.int32),
            np.array([PHASE_CODE[s.phase] for s in group], np.int8),
            np.array([s.ok for s in group], np.int8),
            np.array([s.start for s in group], np.int64),
            np.array([s.end - s.start for s in group], np.int64),
        )


def _runs(
    blocks: list[SampleBlock], events: list[Event], spans: list[Span]
) -> dict[str, tuple[int, int]]:
    """Every run that these signals are part of, with their first and last time."""
    seen: list[tuple[str | None, int, int]] = [
        (block.run, int(np.minimum.reduce(block.time)), int(np.maximum.reduce(block.time)))
        for block in blocks
        if names_of(block.series).federated
    ]
    seen += [(e.run, e.time, e.time) for e in events if e.kind in RUN_KINDS]
    seen += [(span.run, span.start, span.end) for span in spans]
    found: dict[str, tuple[int, int]] = {}
    for run, first, last in seen:
        if run is not None:
            earliest, latest = found.get(run, (first, last))
            found[run] = (min(earliest, first), max(latest, last))
    return found
