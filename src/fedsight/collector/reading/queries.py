"""Questions to the store, answered as rows. Pure but for reading: works without a collector.

with closing(open_readonly(data)) as store:
    page = runs(store, RunFilter(limit=10), now_ns())
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec

from fedsight.collector.reading.rows import (
    EventPage,
    EventRow,
    RoundPage,
    RoundRow,
    RunPage,
    RunState,
    RunSummary,
    SignalCounts,
    Silence,
)
from fedsight.collector.store.prepare import RUN_KINDS
from fedsight.collector.store.present import PRESENT, Paused, Stalled, Waiting
from fedsight.collector.store.progress import stride
from fedsight.collector.store.storefile import open_readonly
from fedsight.door.times import now_ns, rfc3339, rfc3339_or_none

__all__ = [
    "LAST_ROUND",
    "EventFilter",
    "RunCursor",
    "RunFilter",
    "counts",
    "event_row",
    "events",
    "journal_seq",
    "last_event_id",
    "last_signal",
    "newest_run",
    "node_order",
    "now_ns",
    "open_readonly",
    "rounds",
    "run",
    "run_ids",
    "runs",
]

Now = TypeVar("Now", Waiting, Stalled, Paused)

LAST_ROUND = 1_000_000_000
#: A run that trains is silent after this long, and after this many of its slow rounds; before the
#: first round, of which nobody knows how long it takes, after FIRST_ROUND_SECONDS.
SILENT_SECONDS = 30.0
SILENT_ROUNDS = 3.0
FIRST_ROUND_SECONDS = 300.0
TREND_POINTS = 60

RUN_COLUMNS = (
    "id, task, strategy, engine, state, reason, round, rounds, nodes, started, ended, last_seen,"
    " received, accuracy, best_accuracy, loss, payload_down_bytes, payload_up_bytes,"
    " model_parameters, failures, waiting, stalled, paused, p95_seconds, config"
)
#: Before three rounds are known there is no percentile: the longest of them stands for it. The
#: inner limit bounds the search where a run never says how long its rounds take.
#: A wait that was announced with a deadline may be as quiet for as long as that.
SILENT_AFTER = (
    f"max(coalesce(max({SILENT_SECONDS}, {SILENT_ROUNDS} * coalesce(p95_seconds, (SELECT"
    " max(seconds) FROM (SELECT seconds FROM rounds WHERE run = runs.id LIMIT 100)))),"
    f" {FIRST_ROUND_SECONDS}),"
    f" coalesce(waiting ->> 'deadline_seconds', 0) + {SILENT_SECONDS})"
)
#: By which runs are ordered, newest first.
BEGAN = "coalesce(started, first_seen)"
_OWN_KINDS = ", ".join(f"'{kind}'" for kind in sorted(RUN_KINDS))
#: Whether no event says anything of a run that has not ended: samples alone name it.
NOBODY_SAYS = (
    "state = 'training' AND started IS NULL AND journal IS NULL AND NOT EXISTS"
    f" (SELECT 1 FROM events WHERE events.run = runs.id AND kind IN ({_OWN_KINDS}))"
)
STATE_NOW = (
    "CASE WHEN state = 'training' AND paused IS NOT NULL THEN 'paused'"
    f" WHEN {NOBODY_SAYS} THEN 'unknown' WHEN state = 'training'"
    f" AND (:now - received) / 1e9 > {SILENT_AFTER} THEN 'silent' ELSE state END"
)
ROUND_COLUMNS = (
    "round, started, seconds, accuracy, loss, train_loss, selected, participants, failures,"
    " samples, payload_down_bytes, payload_up_bytes"
)


@dataclass(frozen=True, slots=True)
class RunCursor:
    """A place in the list of runs: behind the run that began at `began` (ns) and has this id."""

    began: int
    id: str

    def __str__(self) -> str:
        return f"{self.began}~{self.id}"


@dataclass(frozen=True, slots=True)
class RunFilter:
    """Which runs; None: any. `after` is where the page before ended."""

    state: RunState | None = None
    task: str | None = None
    limit: int = 100
    offset: int = 0
    after: RunCursor | None = None


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Which events of a run; None: any."""

    after: int = 0
    kind: str | None = None
    round: int | None = None
    limit: int = 1000


def runs(store: sqlite3.Connection, which: RunFilter, now: int) -> RunPage:
    """Runs, newest first; `now` in Unix nanoseconds decides which are silent.

    A page after a cursor has neither a run twice nor one too few when others begin meanwhile.
    """
    where = f"(:state IS NULL OR {STATE_NOW} = :state) AND (:task IS NULL OR task = :task)"
    values = {"now": now, "state": which.state, "task": which.task}
    total = store.execute(f"SELECT count(*) FROM runs WHERE {where}", values).fetchone()[0]
    after = which.after
    beyond = f" AND ({BEGAN} < :began OR {BEGAN} = :began AND id > :id)" if after else ""
    values |= {"began": after.began, "id": after.id} if after else {}
    found = store.execute(
        f"SELECT {RUN_COLUMNS}, {NOBODY_SAYS}, {SILENT_AFTER}, {BEGAN} FROM runs WHERE {where}"
        f"{beyond} ORDER BY {BEGAN} DESC, id LIMIT :limit OFFSET :offset",
        {**values, "limit": which.limit + 1, "offset": which.offset},
    ).fetchall()
    shown = found[: which.limit]
    more = len(found) > which.limit
    following = str(RunCursor(shown[-1][-1], shown[-1][0])) if more else None
    return RunPage([_summary(store, row[:-1], now) for row in shown], total, following)


def run(store: sqlite3.Connection, run_id: str, now: int) -> RunSummary | None:
    """One run, or None where there is none of this id."""
    found = store.execute(
        f"SELECT {RUN_COLUMNS}, {NOBODY_SAYS}, {SILENT_AFTER} FROM runs WHERE id = ?", (run_id,)
    ).fetchone()
    return None if found is None else _summary(store, found, now)


def run_ids(store: sqlite3.Connection, beginning: str, limit: int) -> list[str]:
    """Ids of runs that begin so, in order: the one that is just so comes first."""
    query = "SELECT id FROM runs WHERE substr(id, 1, ?) = ? ORDER BY id LIMIT ?"
    return [row[0] for row in store.execute(query, (len(beginning), beginning, limit))]


def newest_run(store: sqlite3.Connection) -> str | None:
    """The id of the run that began last."""
    query = f"SELECT id FROM runs ORDER BY {BEGAN} DESC, id LIMIT 1"
    found = store.execute(query).fetchone()
    return None if found is None else str(found[0])


def last_signal(store: sqlite3.Connection, run_id: str) -> int | None:
    """When a run's last signal happened, in Unix nanoseconds."""
    found = store.execute("SELECT last_seen FROM runs WHERE id = ?", (run_id,)).fetchone()
    return None if found is None else int(found[0])


def journal_seq(store: sqlite3.Connection, journal: str) -> int:
    """The last record that the store has of a journal; 0 where it has none."""
    found = store.execute("SELECT last_seq FROM journals WHERE id = ?", (journal,)).fetchone()
    return 0 if found is None else int(found[0])


def node_order(store: sqlite3.Connection, run_id: str) -> list[str]:
    """The run's nodes in its own order."""
    found = store.execute("SELECT nodes FROM runs WHERE id = ?", (run_id,)).fetchone()
    return [] if found is None else msgspec.json.decode(found[0], type=list[str])


def rounds(
    store: sqlite3.Connection,
    run_id: str,
    *,
    from_round: int = 0,
    to_round: int = LAST_ROUND,
    limit: int = 1000,
    offset: int = 0,
) -> RoundPage:
    """Rounds of a run in order, both ends of the range included."""
    where = "run = ? AND round BETWEEN ? AND ?"
    values = (run_id, from_round, to_round)
    total = store.execute(f"SELECT count(*) FROM rounds WHERE {where}", values).fetchone()[0]
    query = f"SELECT {ROUND_COLUMNS} FROM rounds WHERE {where} ORDER BY round LIMIT ? OFFSET ?"
    return RoundPage([_round(row) for row in store.execute(query, (*values, limit, offset))], total)


def events(store: sqlite3.Connection, run_id: str | None, which: EventFilter) -> EventPage:
    """Events by id after `which.after`; of every run where `run_id` is None."""
    found = store.execute(
        "SELECT id, time, source, kind, run, round, node, details FROM events WHERE id > :after"
        + ("" if run_id is None else " AND run = :run")
        + ("" if which.kind is None else " AND kind = :kind")
        + ("" if which.round is None else " AND round = :round")
        + " ORDER BY id LIMIT :limit",
        {
            "run": run_id,
            "after": which.after,
            "kind": which.kind,
            "round": which.round,
            "limit": which.limit,
        },
    )
    rows = [event_row(row) for row in found]
    return EventPage(rows, rows[-1].id if rows else which.after)


def last_event_id(store: sqlite3.Connection) -> int:
    """The id of the newest event; 0 where there is none."""
    return int(store.execute("SELECT coalesce(max(id), 0) FROM events").fetchone()[0])


def counts(store: sqlite3.Connection) -> SignalCounts:
    """How much the store holds."""
    found = store.execute(
        "SELECT (SELECT count(*) FROM runs), (SELECT count(*) FROM events),"
        " (SELECT coalesce(sum(n), 0) FROM sample_batches INDEXED BY sample_batches_of_run)"
        " + (SELECT coalesce(sum(n), 0) FROM segments WHERE step = 0)"
        " + (SELECT coalesce(sum(samples), 0) FROM forwarded),"
        " (SELECT coalesce(sum(n), 0) FROM span_batches INDEXED BY span_batches_of_run)"
    ).fetchone()
    return SignalCounts(*found)


def silence(
    state: str, received: int, p95_seconds: float | None, after: float, now: int
) -> Silence | None:
    """How long a training run has been silent; None while that is not longer than `after`."""
    seconds = (now - received) / 1e9
    if state != "training" or seconds <= after:
        return None
    return Silence(round(seconds, 3), round(seconds / p95_seconds, 2) if p95_seconds else None)


def accuracy_trend(store: sqlite3.Connection, run_id: str) -> list[float]:
    """The accuracy of at most TREND_POINTS rounds, evenly spread over those that were measured.

    Each is looked up by the index, so that a long run costs no more than a short one.
    """
    at = "SELECT round FROM rounds WHERE run = ? AND accuracy IS NOT NULL ORDER BY round"
    first = store.execute(f"{at} LIMIT 1", (run_id,)).fetchone()
    if first is None:
        return []
    last = store.execute(f"{at} DESC LIMIT 1", (run_id,)).fetchone()
    near = (
        "SELECT round, accuracy FROM rounds WHERE run = ? AND round >= ?"
        " AND accuracy IS NOT NULL ORDER BY round LIMIT 1"
    )
    points = stride(first[0], last[0], TREND_POINTS)
    return list(
        dict(store.execute(near, (run_id, wanted)).fetchone() for wanted in points).values()
    )


def _summary(store: sqlite3.Connection, row: tuple[Any, ...], now: int) -> RunSummary:
    names = [name.strip() for name in RUN_COLUMNS.split(",")]
    *columns, nobody_says, silent_after = row
    kept = dict(zip(names, columns, strict=True))
    waiting, stalled, paused = (kept.pop(name) for name in PRESENT)
    state = kept.pop("state")
    if state == "training" and paused is not None:
        state = "paused"
    elif nobody_says:
        state = "unknown"
    silent = silence(state, kept.pop("received"), kept.pop("p95_seconds"), silent_after, now)
    started, ended, last_seen = (kept.pop(name) for name in ("started", "ended", "last_seen"))
    until = last_seen if ended is None else ended
    nodes, config = kept.pop("nodes"), kept.pop("config")
    # A run without an accuracy has no trend: then nothing is searched for one.
    trend = [] if kept["accuracy"] is None else accuracy_trend(store, kept["id"])
    return RunSummary(
        **kept,
        state="silent" if silent else state,
        silent=silent,
        waiting=_decoded(waiting, Waiting),
        stalled=_decoded(stalled, Stalled),
        paused=_decoded(paused, Paused),
        started=rfc3339_or_none(started),
        ended=rfc3339_or_none(ended),
        last_seen=rfc3339(last_seen),
        seconds=None if started is None else max(0, until - started) / 1e9,
        nodes=msgspec.json.decode(nodes, type=list[str]),
        accuracy_trend=trend,
        config=msgspec.json.decode(config, type=dict[str, Any]),
    )


def _decoded(text: str | None, kind: type[Now]) -> Now | None:
    return None if text is None else msgspec.json.decode(text, type=kind)


def _round(row: tuple[Any, ...]) -> RoundRow:
    number, started, *figures = row
    return RoundRow(number, rfc3339_or_none(started), *figures)


def event_row(row: tuple[Any, ...]) -> EventRow:
    """An event from id, time, source, kind, run, round, node and details as they are stored."""
    id_, time, source, kind, run_id, round_, node, text = row
    details = msgspec.json.decode(text, type=dict[str, Any])
    return EventRow(id_, rfc3339(time), source, kind, run_id, round_, node, details)
