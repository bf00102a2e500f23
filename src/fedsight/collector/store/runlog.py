"""What signals mean for the summary of their run and for its rounds."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping

import msgspec

from fedsight.collector.store.prepare import EventEntry, RunContinued, RunEnded, RunStarted
from fedsight.collector.store.present import present
from fedsight.collector.store.progress import p95, total_after
from fedsight.door.refusal import BadFieldError
from fedsight.signals import Event

#: Both end a round: after a failed one the global model stays as it was.
ROUND_OVER = frozenset({"ROUND_COMPLETED", "ROUND_FAILED"})

#: Figures of rounds of which a run's summary has the sum, or the latest.
TOTALS = frozenset({"failures", "payload_down_bytes", "payload_up_bytes"})
LATEST = frozenset({"accuracy", "loss"})
FIGURES = (*sorted(TOTALS | LATEST),)
#: Rounds that a run's pace is taken from: its last.
PACE_ROUNDS = 200


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
    elif isinstance(entry.details, RunContinued):
        _continue(db, journal, event.run, entry.details)
    elif isinstance(entry.details, RunEnded):
        _end(db, journal, event, entry.details)
    elif event.kind == "ROUND_STARTED" and event.round is not None:
        _set(db, event.run, event.round, {"started": event.time})
    elif event.kind in ROUND_OVER and event.round is not None:
        _set(db, event.run, event.round, {})
        query = "UPDATE runs SET round = max(round, ?) WHERE id = ?"
        db.execute(query, (event.round, event.run))
    _summarize(db, event.run, present(event, entry.details))


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
        "UPDATE runs SET journal = coalesce(journal, ?), started = ?, task = ?, engine = ?,"
        " strategy = ?, rounds = ?, nodes = ?, model_parameters = ?, config = ? WHERE id = ?",
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


def _continue(db: sqlite3.Connection, journal: str, run: str, details: RunContinued) -> None:
    """A run that was broken off goes on, in a journal that from now on speaks for it."""
    db.execute(
        "UPDATE runs SET journal = ?, state = 'training', reason = NULL, ended = NULL, round = ?,"
        " rounds = coalesce(?, rounds) WHERE id = ?",
        (journal, details.from_round, details.rounds, run),
    )


def _end(db: sqlite3.Connection, journal: str, event: Event, details: RunEnded) -> None:
    """A run ends as its own process says; `interrupted` never replaces what that said.

    Nor does it end a run that goes on in another journal than the one that was found abandoned.
    """
    known = "true"
    if details.state == "interrupted":
        known = "state IN ('training', 'interrupted') AND coalesce(journal, :journal) = :journal"
    db.execute(
        f"UPDATE runs SET state = :state, reason = :reason, ended = :time WHERE id = :run"
        f" AND {known}",
        {
            "journal": journal,
            "state": details.state,
            "reason": details.reason,
            "time": event.time,
            "run": event.run,
        },
    )


def set_figures(db: sqlite3.Connection, run: str, round_: int, figures: dict[str, float]) -> None:
    """Set the measured figures of a round, and what they mean for its run; those not named stay."""
    query = f"SELECT {', '.join(FIGURES)} FROM rounds WHERE run = ? AND round = ?"
    found = db.execute(query, (run, round_)).fetchone()
    old: dict[str, float | None] = dict(zip(FIGURES, found or [None] * len(FIGURES), strict=True))
    _set(db, run, round_, figures)
    changed = {n: v for n, v in figures.items() if n in old and old[n] != v}
    if changed:
        _summarize(db, run, _summary_after(db, run, round_, old, changed))


def _summary_after(
    db: sqlite3.Connection,
    run: str,
    round_: int,
    old: dict[str, float | None],
    new: dict[str, float],
) -> dict[str, float | None]:
    """The columns of a run's summary that a round's change from `old` to `new` touches."""
    query = f"SELECT {', '.join(FIGURES)}, best_accuracy FROM runs WHERE id = ?"
    *known, best = db.execute(query, (run,)).fetchone()
    after: dict[str, float | None] = {}
    for name, total in zip(FIGURES, known, strict=True):
        if name in new and name in TOTALS:
            after[name] = total_after(total, old[name], new[name])
        elif name in new and _is_latest(db, run, round_, name):
            after[name] = new[name]
    if "accuracy" in new:
        after["best_accuracy"] = _best(db, run, best, old["accuracy"], new["accuracy"])
    return after


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


def _is_latest(db: sqlite3.Connection, run: str, round_: int, name: str) -> bool:
    """Whether no later round has the figure: the latest gives the run's."""
    later = f"SELECT 1 FROM rounds WHERE run = ? AND round > ? AND {name} IS NOT NULL LIMIT 1"
    return db.execute(later, (run, round_)).fetchone() is None


def _best(
    db: sqlite3.Connection, run: str, best: float | None, old: float | None, new: float
) -> float:
    if old is not None and old == best and new < old:
        # The best one is corrected downwards, which no run does by itself: look at all.
        query = "SELECT max(accuracy) FROM rounds WHERE run = ?"
        best = db.execute(query, (run,)).fetchone()[0]
    return new if best is None else max(best, new)


def _summarize(db: sqlite3.Connection, run: str, columns: Mapping[str, float | str | None]) -> None:
    """Set columns of a run's summary; the names are our own constants."""
    if columns:
        changes = ", ".join(f"{name} = ?" for name in columns)
        db.execute(f"UPDATE runs SET {changes} WHERE id = ?", (*columns.values(), run))


def refresh(db: sqlite3.Connection, run: str) -> None:
    """Look again at how long the run's last rounds took."""
    query = (
        "SELECT seconds FROM rounds WHERE run = ? AND seconds IS NOT NULL"
        " ORDER BY round DESC LIMIT ?"
    )
    seconds = [row[0] for row in db.execute(query, (run, PACE_ROUNDS))]
    _summarize(db, run, {"p95_seconds": p95(seconds)})
