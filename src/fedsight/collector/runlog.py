"""What signals mean for the summary of their run and for its rounds."""

from __future__ import annotations

import sqlite3

import msgspec

from fedsight.collector.prepare import EventEntry, RunEnded, RunStarted
from fedsight.collector.progress import RoundFigures, progress
from fedsight.collector.refusal import BadFieldError
from fedsight.signals import Event

#: Both end a round: after a failed one the global model stays as it was.
ROUND_OVER = frozenset({"ROUND_COMPLETED", "ROUND_FAILED"})


def touch(db: sqlite3.Connection, run: str, first: int, last: int, received: int) -> None:
    """Note that signals of a run arrived; the first of them makes the run."""
    db.execute(
        "INSERT INTO runs (id, first_seen, last_seen, received) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (id) DO UPDATE SET first_seen = min(first_seen, excluded.first_seen),"
        " last_seen = max(last_seen, excluded.last_seen), received = excluded.received",
        (run, first, last, received),
    )


def fold(db: sqlite3.Connection, journal: str, entry: EventEntry, path: str) -> None:
    """Let an event change its run or round; an event of neither changes nothing.

    Raises BadFieldError where a run begins under an id that another run already has.
    """
    event = entry.event
    if event.run is None:
        return
    if isinstance(entry.details, RunStarted):
        _start(db, journal, event, entry.details, path)
    elif isinstance(entry.details, RunEnded):
        _end(db, event, entry.details)
    elif event.kind == "ROUND_STARTED" and event.round is not None:
        _set(db, event.run, event.round, {"started": event.time})
    elif event.kind in ROUND_OVER and event.round is not None:
        _set(db, event.run, event.round, {})
        query = "UPDATE runs SET round = max(round, ?) WHERE id = ?"
        db.execute(query, (event.round, event.run))


def _start(
    db: sqlite3.Connection, journal: str, event: Event, details: RunStarted, path: str
) -> None:
    query = "SELECT journal, started FROM runs WHERE id = ?"
    owner, started = db.execute(query, (event.run,)).fetchone()
    if started is not None and (owner, started) != (journal, event.time):
        raise BadFieldError(
            f"{path}.run", f"run {event.run!r} has already begun; a new run needs an id of its own"
        )
    db.execute(
        "UPDATE runs SET journal = ?, started = ?, task = ?, engine = ?, strategy = ?, rounds = ?,"
        " nodes = ?, model_parameters = ?, config = ? WHERE id = ?",
        (
            journal,
            event.time,
            details.task,
            details.engine,
            details.strategy,
            details.rounds,
            msgspec.json.encode(details.nodes).decode(),
            details.model_parameters,
            msgspec.json.encode(details.config).decode(),
            event.run,
        ),
    )


def _end(db: sqlite3.Connection, event: Event, details: RunEnded) -> None:
    """A run ends as its own process says; `interrupted` never replaces what that said."""
    known = "state IN ('training', 'interrupted')" if details.state == "interrupted" else "true"
    db.execute(
        f"UPDATE runs SET state = ?, reason = ?, ended = ? WHERE id = ? AND {known}",
        (details.state, details.reason, event.time, event.run),
    )


def set_figures(db: sqlite3.Connection, run: str, round_: int, figures: dict[str, float]) -> None:
    """Set the measured figures of a round; those not named stay."""
    _set(db, run, round_, figures)


def _set(db: sqlite3.Connection, run: str, round_: int, columns: dict[str, float]) -> None:
    """Upsert a round; the names are our own constants, never a request's."""
    names = "".join(f", {name}" for name in columns)
    marks = ", ?" * len(columns)
    changes = ", ".join(f"{name} = excluded.{name}" for name in columns)
    deed = f"UPDATE SET {changes}" if changes else "NOTHING"
    db.execute(
        f"INSERT INTO rounds (run, round{names}) VALUES (?, ?{marks})"
        f" ON CONFLICT (run, round) DO {deed}",
        (run, round_, *columns.values()),
    )


def refresh(db: sqlite3.Connection, run: str) -> None:
    """Fold a run's rounds into its summary again."""
    query = (
        "SELECT accuracy, loss, seconds, failures, payload_down_bytes, payload_up_bytes"
        " FROM rounds WHERE run = ? ORDER BY round"
    )
    now = progress([RoundFigures(*row) for row in db.execute(query, (run,))])
    db.execute(
        "UPDATE runs SET accuracy = ?, best_accuracy = ?, loss = ?, failures = ?,"
        " payload_down_bytes = ?, payload_up_bytes = ?, p95_seconds = ?, accuracy_trend = ?"
        " WHERE id = ?",
        (
            now.accuracy,
            now.best_accuracy,
            now.loss,
            now.failures,
            now.payload_down_bytes,
            now.payload_up_bytes,
            now.p95_seconds,
            msgspec.json.encode(now.accuracy_trend).decode(),
            run,
        ),
    )
