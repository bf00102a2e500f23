"""What an FL server answers, as signals and as a state. Pure.

The shapes are those of docs/api.md and of FLOPY-NET's server; what is missing or is no number is
absent.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from fedsight.collector.monitors import foreign
from fedsight.collector.store.prepare import DETAILS
from fedsight.signals import Event, Json, Phase, Sample, Span

Row = Mapping[str, Any]

#: Words for a round that still goes on: its figures are not final.
GOING_ON = frozenset({"training", "running", "in_progress", "started", "pending", "evaluating"})
MEGABYTE = 1e6

#: What the API calls otherwise than signals do; with the state that a run then ends in.
CALLED = {
    "TRAINING_STARTED": "RUN_STARTED",
    "TRAINING_PAUSED": "RUN_PAUSED",
    "TRAINING_RESUMED": "RUN_RESUMED",
}
ENDS = {
    "TRAINING_COMPLETED": "finished",
    "TRAINING_STOPPED": "stopped",
    "TRAINING_STOPPED_BY_POLICY": "stopped",
    "TRAINING_FAILED": "failed",
}
PHASES: dict[str, Phase] = {
    "AGGREGATION_COMPLETED": "aggregate",
    "EVALUATION_COMPLETED": "evaluate",
}
#: Kinds that belong to a run even where the server names none.
OF_RUNS = frozenset({*CALLED, *ENDS, *PHASES}) | {
    "ROUND_STARTED",
    "ROUND_COMPLETED",
    "ROUND_FAILED",
    "ROUND_POLICY_DENIED",
}


class FlServerState(Struct, frozen=True):
    """An FL server at a glance; what it does not say is None."""

    status: str
    run: str | None = None
    current_round: int | None = None
    max_rounds: int | None = None
    active_clients: int | None = None
    accuracy: float | None = None
    loss: float | None = None
    convergence_slope: float | None = None


def server_state(answer: Any) -> FlServerState | None:
    """The state in an answer of `/status`; None where it is no such answer."""
    status = _status(answer)
    if status is None:
        return None
    active = foreign.whole(foreign.field(answer, "active_clients"))
    connected = foreign.whole(foreign.field(answer, "connected_clients"))
    return FlServerState(
        status,
        foreign.text(foreign.field(answer, "run")),
        foreign.whole(foreign.field(answer, "current_round")),
        foreign.whole(foreign.field(answer, "max_rounds")),
        connected if active is None else active,
        foreign.number(foreign.field(answer, "current_accuracy")),
        foreign.number(foreign.field(answer, "current_loss")),
    )


def _status(answer: Any) -> str | None:
    said = foreign.text(foreign.field(answer, "status"), 64)
    if said is not None:
        return said
    if foreign.flag(foreign.field(answer, "training_paused")):
        return "paused"
    active = foreign.flag(foreign.field(answer, "training_active"))
    return None if active is None else "training" if active else "idle"


def latest_round(answer: Any) -> int | None:
    """The newest round of an answer of `/rounds`, as it says or as its rows are; -1 where it has
    none, None where it is no such answer."""
    rows = foreign.rows(answer, "rounds")
    if rows is None:
        return None
    said = foreign.whole(foreign.field(answer, "latest_round"))
    numbers = (number for row in rows if (number := round_of(row, {})) is not None)
    return max(numbers, default=-1) if said is None else said


def finished_rounds(rows: Sequence[Row]) -> list[tuple[int, Row]]:
    """Rounds that are over, by number, up to the first that still goes on."""
    numbered = {number: row for row in rows if (number := round_of(row, {})) is not None}
    found: list[tuple[int, Row]] = []
    for number in sorted(numbered):
        status = foreign.text(numbered[number].get("status"))
        if status is not None and status.lower() in GOING_ON:
            break
        found.append((number, numbered[number]))
    return found


def accuracies(rounds: Sequence[tuple[int, Row]]) -> list[tuple[int, float]]:
    """The rounds whose accuracy is known, with it."""
    known = ((number, foreign.number(row.get("accuracy"))) for number, row in rounds)
    return [(number, accuracy) for number, accuracy in known if accuracy is not None]


def round_samples(rounds: Sequence[tuple[int, Row]], run: str, received: int) -> Iterator[Sample]:
    """The figures of rounds; their time is the server's own where it says one."""
    for number, row in rounds:
        time = foreign.moment(row.get("timestamp")) or received
        for name, value in _figures(row).items():
            if value is not None:
                yield Sample(time, name, value, number, {"run": run})


def _figures(row: Row) -> dict[str, float | None]:
    megabytes = foreign.number(row.get("model_size_mb"))
    seconds = foreign.number(row.get("training_duration"))
    return {
        "fl_accuracy": foreign.number(row.get("accuracy")),
        "fl_eval_loss": foreign.number(row.get("loss")),
        "fl_round_duration_seconds": seconds if seconds is None or seconds >= 0 else None,
        "fl_round_participants": _clients(row.get("clients")),
        "fl_model_size_bytes": None if megabytes is None else megabytes * MEGABYTE,
    }


def _clients(value: Any) -> int | None:
    """How many clients: a number, or a list of them."""
    return len(value) if isinstance(value, list) else foreign.whole(value)


def event_of(row: Row, run: str | None, received: int) -> Event | None:
    """One event under the name that signals have for it; None where it names no kind.

    `run` is the run of events that belong to one and do not name it.
    """
    said = foreign.name(row.get("event_type"))
    if said is None:
        return None
    told = foreign.details(row.get("details"))
    of_run = foreign.text(row.get("run")) or (run if said in OF_RUNS else None)
    kind = "RUN_ENDED" if said in ENDS else CALLED.get(said, said)
    if said in ENDS:
        told = {**told, "state": ENDS[said]}
    return Event(
        foreign.moment(row.get("timestamp")) or received,
        "federated" if of_run else foreign.name(row.get("source_component")) or "fl-server",
        kind if _fits(kind, told) else f"FOREIGN_{kind}"[: foreign.MOST_NAME],
        of_run,
        round_of(row, told),
        foreign.text(row.get("client_id")),
        told,
    )


def round_of(row: Row, told: Mapping[str, Json]) -> int | None:
    """The event's round, where it or its details say one that a signal can have."""
    said = row.get("round") if "round" in row else told.get("round")
    found = foreign.whole(said)
    return found if found is not None and found <= 1_000_000_000 else None


def _fits(kind: str, told: dict[str, Json]) -> bool:
    """Whether details are of the types that this kind has here."""
    shape = DETAILS.get(kind)
    if shape is None:
        return True
    try:
        msgspec.convert(told, shape)
    except msgspec.ValidationError:
        return False
    return True


def span_of(row: Row, run: str | None, received: int) -> Span | None:
    """How long the server aggregated or evaluated, where an event says so."""
    phase = PHASES.get(str(row.get("event_type")))
    told = foreign.details(row.get("details"))
    said = told.get("seconds", told.get("duration_seconds"))
    seconds, number = foreign.number(said), round_of(row, told)
    of_run = foreign.text(row.get("run")) or run
    if phase is None or seconds is None or seconds < 0 or number is None or of_run is None:
        return None
    end = foreign.moment(row.get("timestamp")) or received
    start = end - round(seconds * 1e9)
    return Span(of_run, number, None, phase, start, end) if start >= 0 else None
