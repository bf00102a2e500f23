"""What a run is doing now follows its events: waiting, stalled, paused, continued, stopped."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from fedsight.collector.reading import queries
from fedsight.collector.reading.rows import RunSummary
from fedsight.collector.store.schema import APPLICATION_ID, FILE_NAME, TABLES, VERSION
from fedsight.collector.store.storefile import open_readonly, open_store
from fedsight.door.refusal import BadFieldError
from fedsight.door.times import now_ns
from fedsight.errors import StoreError
from fedsight.signals import Batch, Event
from tests.collector.open_store import Store
from tests.collector.shipments import SECOND, START, ended, shipment, started, trained

NODES = ["a", "b"]


def told(kind: str, round_: int | None = None, at: int = 0, **details: Any) -> Batch:
    return Batch(events=[Event(START + at, "federated", kind, "r-1", round_, details=details)])


def after(store: Store, *records: Batch, now: int = 0) -> RunSummary:
    """The run once it has begun and these records have come."""
    store.send(shipment("j", [started("r-1", NODES), *records]))
    found: RunSummary = store.ask(queries.run, "r-1", now or now_ns())
    return found


WAITS = told("ROUND_WAITING", 2, message="waits for b", waiting_for=["b"], deadline_seconds=600.0)
STALLS = told("RUN_STALLED", 2, message="no answer for 90 s", phase="train", nodes=["b"])


def test_a_wait_says_for_whom_and_how_long(store: Store) -> None:
    waiting = after(store, WAITS).waiting
    assert waiting is not None
    assert (waiting.round, waiting.message, waiting.waiting_for) == (2, "waits for b", ["b"])
    assert (waiting.since, waiting.deadline_seconds) == ("2026-11-22T09:52:00.000000Z", 600.0)


@pytest.mark.parametrize(
    "end", [trained("r-1", 2, NODES), told("ROUND_FAILED", 2, message="none"), ended("r-1")]
)
def test_a_wait_and_a_stall_end_with_their_round_or_run(store: Store, end: Batch) -> None:
    run = after(store, WAITS, STALLS, end)
    assert (run.waiting, run.stalled) == (None, None)


def test_the_watchdog_names_phase_and_nodes_until_it_takes_it_back(store: Store) -> None:
    run = after(store, STALLS)
    assert run.stalled is not None
    assert (run.stalled.phase, run.stalled.nodes) == ("train", ["b"])
    assert run.stalled.message == "no answer for 90 s"
    store.send(shipment("j", [told("RUN_STALL_ENDED")], first_seq=3))
    assert store.ask(queries.run, "r-1", now_ns()).stalled is None


def test_a_paused_run_is_paused_and_never_silent(store: Store) -> None:
    later = now_ns() + 10_000 * SECOND
    run = after(store, told("RUN_PAUSED", reason="lunch"), now=later)
    assert (run.state, run.silent) == ("paused", None)
    assert run.paused is not None
    assert run.paused.reason == "lunch"
    page = store.ask(queries.runs, queries.RunFilter(state="paused"), later)
    assert [each.id for each in page.runs] == ["r-1"]
    store.send(shipment("j", [told("RUN_RESUMED")], first_seq=3))
    assert store.ask(queries.run, "r-1", now_ns()).state == "training"


def test_a_stopped_run_has_ended(store: Store) -> None:
    run = after(store, told("RUN_PAUSED"), ended("r-1", "stopped", "by hand"))
    assert (run.state, run.reason, run.paused) == ("stopped", "by hand", None)


def test_an_announced_wait_is_no_silence_before_its_deadline(store: Store) -> None:
    assert after(store, trained("r-1", 1, NODES), WAITS).silent is None
    for seconds, state in ((400, "training"), (640, "silent")):
        assert store.ask(queries.run, "r-1", now_ns() + seconds * SECOND).state == state


def interrupted_then_continued(store: Store) -> None:
    broken = [trained("r-1", number, NODES) for number in (1, 2)]
    after(store, *broken, ended("r-1", "interrupted", "killed"))
    store.send(shipment("j-2", [told("RUN_CONTINUED", from_round=1, rounds=9)]))


def test_a_run_goes_on_in_another_journal(store: Store) -> None:
    interrupted_then_continued(store)
    run = store.ask(queries.run, "r-1", now_ns())
    assert (run.state, run.reason, run.ended, run.round) == ("training", None, None, 1)
    store.send(shipment("j-2", [trained("r-1", 2, NODES, 0.9)], first_seq=2))
    again = store.ask(queries.rounds, "r-1").rounds
    assert [(row.round, row.accuracy) for row in again] == [(1, 0.5), (2, 0.9)]


def test_the_abandoned_journal_does_not_interrupt_a_run_that_goes_on(store: Store) -> None:
    interrupted_then_continued(store)
    store.send(shipment("j", [ended("r-1", "interrupted", "late")], first_seq=5))
    assert store.ask(queries.run, "r-1", now_ns()).state == "training"
    store.send(shipment("j-2", [ended("r-1", "interrupted", "killed again")], first_seq=2))
    assert store.ask(queries.run, "r-1", now_ns()).reason == "killed again"


@pytest.mark.parametrize(
    ("kind", "details", "field"),
    [
        ("ROUND_WAITING", {"deadline_seconds": -1}, "deadline_seconds"),
        ("ROUND_WAITING", {"waiting_for": "b"}, "waiting_for"),
        ("RUN_STALLED", {"nodes": [3]}, "nodes[0]"),
        ("RUN_PAUSED", {"reason": 3}, "reason"),
        ("RUN_CONTINUED", {}, "from_round"),
        ("RUN_ENDED", {"state": "tired"}, "state"),
    ],
)
def test_details_of_another_type_are_refused_by_name(
    store: Store, kind: str, details: dict[str, Any], field: str
) -> None:
    with pytest.raises(BadFieldError) as refused:
        store.send(shipment("j", [told(kind, **details)]))
    assert refused.value.field == f"records[0].events[0].details.{field}"


def older_store(folder: Path) -> None:
    """A store as the version before made it: without what a run is doing."""
    with sqlite3.connect(folder / FILE_NAME) as file:
        file.executescript(f"{TABLES}PRAGMA application_id={APPLICATION_ID};")
        for column in ("waiting", "stalled", "paused"):
            file.execute(f"ALTER TABLE runs DROP COLUMN {column}")
        file.execute("INSERT INTO runs (id, first_seen, last_seen, received) VALUES ('r-1',1,1,1)")
        file.execute("PRAGMA user_version=1")
    file.close()


def test_an_older_store_is_upgraded_by_the_next_collector(tmp_path: Path) -> None:
    older_store(tmp_path)
    with pytest.raises(StoreError, match="start a collector on it once"):
        open_readonly(tmp_path)
    connection, kept = open_store(tmp_path)
    assert kept is None
    assert connection.execute("PRAGMA user_version").fetchone() == (VERSION,)
    found = queries.run(connection, "r-1", 2)
    assert found is not None
    assert (found.waiting, found.stalled, found.paused) == (None, None, None)
    connection.close()
