"""Start, pause, resume, stop, restart: what each does, and when it makes no sense."""

from __future__ import annotations

from pathlib import Path

import pytest

from fedsight.errors import FedsightError
from fedsight.federated.api.scripted import Scripted
from tests.federated.api.asked import Asked, asked


def test_before_the_first_run_nothing_is_known(fl: Asked) -> None:
    now = fl.get("/status")
    assert now["status"] == "idle"
    assert {now[name] for name in ("run", "rounds", "clients", "current_accuracy", "since")} == {
        None
    }
    assert (now["training_active"], now["waiting_for"]) == (False, [])


def test_a_run_goes_from_start_to_finish(fl: Asked) -> None:
    begun = fl.post("/start", {"training_config": {"max_rounds": 2}})
    assert begun["message"].endswith("begins: digits, fedavg, 2 rounds")
    now = fl.until(lambda now: now["status"] == "training")
    assert (now["run"], now["current_round"], now["max_rounds"]) == (begun["run"], 1, 2)
    assert (now["task"], now["engine"], now["algorithm"]) == ("digits", "simulation", "fedavg")
    fl.script.let(2)
    now = fl.until(lambda now: not now["training_active"])
    assert (now["status"], now["rounds"], now["current_round"]) == ("finished", 2, None)
    assert (now["current_accuracy"], now["best_accuracy"], now["active_clients"]) == (0.75, 0.75, 2)
    assert now["ended"] is not None
    assert now["estimated_completion"] is None


def test_completion_is_estimated_from_the_median_of_measured_rounds(fl: Asked) -> None:
    fl.train(1, of=4)
    now = fl.get("/status")
    (row,) = fl.get("/rounds")["rounds"]
    assert row["training_duration"] == 2.0
    # Its one round started 2 s before it ended; three of 2 s are left.
    start, end = row["timestamp"], now["estimated_completion"]
    assert seconds_between(start, end) == pytest.approx(8.0)


def seconds_between(start: str, end: str) -> float:
    from fedsight.door.times import parse_rfc3339

    return (parse_rfc3339(end) - parse_rfc3339(start)) / 1e9


def test_a_second_start_is_refused_while_a_run_goes_on(fl: Asked) -> None:
    run = fl.train(1, of=3)
    refused = fl.error("/start", {}, 409)
    assert refused == {"code": "conflict", "message": f"run {run} goes on; stop it first"}
    assert fl.get("/status")["run"] == run


def test_a_pause_takes_effect_between_rounds_and_a_resume_ends_it(fl: Asked) -> None:
    fl.train(1, of=3)
    fl.until(lambda now: now["current_round"] == 2)
    fl.post("/pause", {"reason": "a look at the data"})
    now = fl.get("/status")
    assert (now["status"], now["training_paused"]) == ("training", True)
    assert now["message"] == "pauses after this round: a look at the data"
    fl.script.let()
    now = fl.until(lambda now: now["status"] == "paused")
    assert (now["rounds"], now["pause_reason"]) == (2, "a look at the data")
    assert now["estimated_completion"] is None
    assert "is paused" in fl.error("/pause", {}, 409)["message"]
    fl.post("/resume")
    fl.script.let()
    assert fl.until(lambda now: now["status"] == "finished")["pause_reason"] is None
    kinds = [one["event_type"] for one in fl.get("/events")["events"]]
    assert kinds.index("TRAINING_PAUSED") < kinds.index("TRAINING_RESUMED")
    assert kinds[-1] == "TRAINING_COMPLETED"


def test_a_stop_ends_a_paused_run_at_once_and_says_why(fl: Asked) -> None:
    run = fl.train(1, of=3)
    fl.post("/pause")
    fl.script.let()
    fl.until(lambda now: now["status"] == "paused")
    assert fl.post("/stop", {"reason": "enough seen"})["run"] == run
    now = fl.until(lambda now: not now["training_active"])
    assert (now["status"], now["stop_reason"], now["rounds"]) == ("stopped", "enough seen", 2)


def test_a_restart_stops_the_run_and_begins_the_same_plan_anew(fl: Asked) -> None:
    first = fl.train(1, of=3)
    second = fl.post("/restart")["run"]
    now = fl.until(lambda now: now["run"] == second)
    assert second != first
    assert (now["max_rounds"], now["rounds"], now["next_run"]) == (3, 0, None)
    fl.script.let(3)
    fl.until(lambda now: now["status"] == "finished")
    third = fl.post("/restart")["run"]
    assert fl.get("/status")["run"] == third


def test_a_stop_calls_a_restart_off(tmp_path: Path) -> None:
    class Slow(Scripted):
        def _wait(self, assignment: object) -> None:
            self._turn.acquire()

    with asked(tmp_path, Slow()) as fl:
        run = fl.train(1, of=5)
        waiting = fl.post("/restart")["run"]
        assert fl.get("/status")["next_run"] == waiting
        assert f"run {waiting} begins as soon as" in fl.error("/restart", {}, 409)["message"]
        fl.post("/stop")
        assert "is ending" in fl.error("/stop", {}, 409)["message"]
        fl.script.let(5)
        now = fl.until(lambda now: not now["training_active"])
        assert (now["run"], now["status"], now["next_run"]) == (run, "stopped", None)


@pytest.mark.parametrize("path", ["/pause", "/resume", "/stop", "/restart"])
def test_without_a_run_there_is_nothing_to_steer(fl: Asked, path: str) -> None:
    assert fl.error(path, {}, 409)["code"] == "conflict"


@pytest.mark.parametrize("path", ["/pause", "/resume", "/stop"])
def test_a_run_that_is_over_cannot_be_steered(fl: Asked, path: str) -> None:
    run = fl.train(1)
    assert fl.error(path, {}, 409)["message"] == f"nothing to {path[1:]}: run {run} is finished"


def test_a_run_that_goes_on_is_not_resumed(fl: Asked) -> None:
    run = fl.train(1, of=2)
    assert fl.error("/resume", {}, 409)["message"] == f"run {run} is not paused"


@pytest.mark.parametrize("reason", ["", "a\nb", "x" * 201])
def test_a_reason_is_one_line(fl: Asked, reason: str) -> None:
    fl.train(1, of=2)
    assert fl.error("/stop", {"reason": reason}, 422)["field"] == "reason"
    assert fl.get("/status")["training_active"] is True


def test_a_run_that_fails_says_why_and_the_next_may_begin(tmp_path: Path) -> None:
    with asked(tmp_path, Scripted(error=FedsightError("no node answers"))) as fl:
        run = fl.post("/start")["run"]
        now = fl.until(lambda now: not now["training_active"])
        assert (now["status"], now["stop_reason"]) == ("failed", "no node answers")
        last = fl.get("/events")["events"][-1]
        assert (last["event_type"], last["run"]) == ("TRAINING_FAILED", run)
        assert last["details"] == {"state": "failed", "reason": "no node answers"}
        assert fl.get("/health")["status"] == "healthy"
        assert fl.post("/start")["run"] != run


def test_a_fault_of_ours_ends_the_run_and_shows_in_health(tmp_path: Path) -> None:
    with asked(tmp_path, Scripted(error=ZeroDivisionError("by zero"))) as fl:
        fl.post("/start")
        now = fl.until(lambda now: not now["training_active"])
        assert now["stop_reason"].startswith("ZeroDivisionError: by zero (scripted.py:")
        health = fl.get("/health")
        assert health["status"] == "degraded"
        assert "by zero" in health["components"]["runner"]["error"]


def test_the_end_of_the_server_ends_the_run(tmp_path: Path) -> None:
    with asked(tmp_path) as fl:
        fl.train(1, of=1000)
        runner = fl.server.runner
    assert runner.current is not None
    assert runner.current.ended is not None
    assert (runner.current.ended.state, runner.current.ended.reason) == (
        "stopped",
        "the server ended",
    )
