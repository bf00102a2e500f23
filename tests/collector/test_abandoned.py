from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fedsight.collector.abandoned import REASON, Abandoned, take_back
from fedsight.journal import Journal
from tests.collector.open_store import Store
from tests.collector.server import Server
from tests.collector.shipments import SECOND, ended, started, trained, whole_run

pytestmark = pytest.mark.slow


def eventually(look: Callable[[], Any], wanted: Callable[[Any], bool], seconds: float = 15) -> Any:
    """What `look` finds once it is as wanted."""
    deadline = time.monotonic() + seconds
    while not wanted(found := look()):
        assert time.monotonic() < deadline, found
        time.sleep(0.02)
    return found


def journal(data: Path, name: str) -> Journal:
    return Journal(data / "journals", name)


def state(server: Server, run: str) -> Any:
    answer = server.http.get(f"/api/v1/runs/{run}")
    return answer.json().get("state") if answer.status_code == 200 else None


def test_a_run_whose_process_died_is_fetched_and_called_interrupted(tmp_path: Path) -> None:
    with journal(tmp_path, "r-1") as left:
        left.append(started("r-1", ["a"]))
        left.append(trained("r-1", 1, ["a"]))
    with Server(tmp_path) as running:
        eventually(lambda: state(running, "r-1"), lambda now: now == "interrupted")
        run = running.get("/api/v1/runs/r-1")
        assert (run["reason"], run["round"], run["seconds"]) == (REASON, 1, 1.0)
        assert running.get("/api/v1/runs/r-1/clients")["total"] == 1
    with journal(tmp_path, "r-1") as after:
        assert (after.waiting, after.open_runs) == (0, frozenset())


def test_a_run_that_ended_is_fetched_as_it_ended(tmp_path: Path) -> None:
    with journal(tmp_path, "r-1") as left:
        for record in whole_run("r-1", ["a"]):
            left.append(record)
    with Server(tmp_path) as running:
        eventually(lambda: state(running, "r-1"), lambda now: now == "finished")
        assert running.get("/api/v1/runs/r-1/events")["last_id"] == 6


def test_a_journal_abandoned_later_is_found_and_a_living_one_left_alone(tmp_path: Path) -> None:
    with Server(tmp_path, orphan_seconds=0.05) as running:
        with journal(tmp_path, "r-1") as living:
            living.append(started("r-1", ["a"]))
            with journal(tmp_path, "r-2") as other:
                other.append(started("r-2", ["a"]))
            eventually(lambda: state(running, "r-2"), lambda now: now == "interrupted")
            assert state(running, "r-1") is None
        eventually(lambda: state(running, "r-1"), lambda now: now == "interrupted")


def test_half_shipped_records_are_not_doubled(tmp_path: Path) -> None:
    records = [started("r-1", ["a"]), trained("r-1", 1, ["a"]), ended("r-1", at=SECOND)]
    with journal(tmp_path, "r-1") as left:
        for record in records:
            left.append(record)
    with Server(tmp_path, orphan_seconds=0.05) as running:
        running.send("r-1", records[:2])
        eventually(lambda: state(running, "r-1"), lambda now: now == "finished")
        assert running.get("/api/v1/status")["signals"]["events"] == 4


def test_a_new_store_fetches_again_what_journals_still_hold(tmp_path: Path) -> None:
    with journal(tmp_path, "r-1") as left:
        for record in whole_run("r-1", ["a"]):
            left.append(record)
    with Server(tmp_path) as running:
        eventually(lambda: state(running, "r-1"), lambda now: now == "finished")
        before = running.get("/api/v1/runs/r-1/clients")
    (tmp_path / "collector.sqlite").write_bytes(b"damaged" * 1000)
    with Server(tmp_path) as running:
        eventually(lambda: state(running, "r-1"), lambda now: now == "finished")
        assert running.get("/api/v1/runs/r-1/clients") == before


def test_a_journal_that_cannot_be_read_hides_no_other(tmp_path: Path) -> None:
    with journal(tmp_path, "r-2") as left:
        left.append(started("r-2", ["a"]))
    (tmp_path / "journals" / "r-1.sqlite").write_bytes(b"no database" * 1000)
    with Server(tmp_path) as running:
        eventually(lambda: state(running, "r-2"), lambda now: now == "interrupted")


def test_a_refused_record_is_told_and_holds_up_nothing(tmp_path: Path) -> None:
    with journal(tmp_path, "r-1") as left:
        left.append(started("r-1", ["a"], rounds=-1))
        left.append(trained("r-1", 1, ["a"]))
    with Server(tmp_path) as running:
        eventually(lambda: state(running, "r-1"), lambda now: now == "interrupted")
        told = running.get("/api/v1/runs/r-1/events?kind=RECORD_REFUSED")["events"]
        assert [event["details"]["seq"] for event in told] == [1]
        assert told[0]["details"]["field"] == "records[0].events[0].details.rounds"
        assert running.get("/api/v1/runs/r-1/clients")["total"] == 1


def test_a_journal_of_anothers_run_is_told_and_holds_up_nobody(tmp_path: Path) -> None:
    with journal(tmp_path, "a") as first, journal(tmp_path, "b") as second:
        first.append(started("r-1", ["a"]))
        second.append(started("r-1", ["a"]))
    with journal(tmp_path, "c") as left:
        left.append(started("r-2", ["a"]))
    with Server(tmp_path) as running:
        eventually(lambda: state(running, "r-2"), lambda now: now == "interrupted")
        health = eventually(
            lambda: running.get("/health")["components"]["journals"],
            lambda now: now["status"] == "degraded",
        )
        assert "b.sqlite: records[0].events[0].run" in health["error"]
        assert running.end()[0] == 0
    with journal(tmp_path, "b") as after:
        assert after.waiting == 1


def age(data: Path, name: str, days: float) -> None:
    """Make a journal's file look as if it was last written so many days ago."""
    then = time.time() - days * 86_400
    os.utime(data / "journals" / f"{name}.sqlite", (then, then))


def left_journals(data: Path) -> list[str]:
    return sorted(path.name for path in (data / "journals").iterdir())


def test_only_a_journal_that_is_old_and_done_with_is_removed(tmp_path: Path) -> None:
    for name in ("old", "new", "held"):
        with journal(tmp_path, name) as left:
            for record in whole_run(f"r-{name}", ["a"]):
                left.append(record)
    with Server(tmp_path) as running:
        for name in ("old", "new", "held"):
            eventually(lambda name=name: state(running, f"r-{name}"), lambda now: now == "finished")
    with journal(tmp_path, "open") as left:
        left.append(started("r-open", ["a"]))
    for name in ("old", "held", "open"):
        age(tmp_path, name, days=8)
    with journal(tmp_path, "held"), Server(tmp_path, orphan_seconds=0.05) as running:
        eventually(lambda: state(running, "r-open"), lambda now: now == "interrupted")
        # The journal goes first and its lock last, so that nobody takes it in between: wait for
        # all of it.
        kept = eventually(
            lambda: left_journals(tmp_path),
            lambda names: not any(name.startswith("old") for name in names),
        )
        assert {"new.sqlite", "held.sqlite", "open.sqlite"} <= set(kept)
        assert running.get("/api/v1/runs/r-old")["state"] == "finished"


def test_a_journal_that_another_store_has_is_kept_until_this_one_has_it(tmp_path: Path) -> None:
    with journal(tmp_path, "r-1") as left:
        for record in whole_run("r-1", ["a"]):
            left.append(record)
        left.mark_shipped(left.last_seq)
    (tmp_path / "journals" / "r-2.sqlite").write_bytes(b"")
    store = Store(tmp_path)
    looking = Abandoned(tmp_path / "journals", store.ingest, store.readers, pause=1, keep_seconds=0)
    looking.look()
    assert left_journals(tmp_path) == ["r-1.sqlite", "r-1.sqlite.lock"]
    take_back(tmp_path / "journals")
    looking.look()
    store.close()
    assert left_journals(tmp_path) == []
