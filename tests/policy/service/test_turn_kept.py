"""A process that is stopped while it has its turn to write the audit trail."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from fedsight.policy.audit import AuditError, PublicKey, SigningKey, Trail, verify
from fedsight.policy.service.deciding import KEY
from tests.policy.service.served import GOOD, Served

CHECK = "/check/client_eligibility"
PROGRAM = """
import os, signal, sys
from pathlib import Path
from fedsight.policy.audit.turns import Turns
Turns(Path(sys.argv[1])).take()
print("taken", flush=True)
os.kill(os.getpid(), signal.SIGSTOP)
"""


@contextmanager
def stopped(folder: Path) -> Iterator[int]:
    """A process that is stopped in its turn, until the context ends."""
    command = [sys.executable, "-c", PROGRAM, str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"taken\n"
            yield process.pid
        finally:
            process.kill()


def until(true: Callable[[], object]) -> None:
    end = time.monotonic() + 20
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)


def waits(served: Served, seconds: float) -> None:
    """How long the service waits for a turn."""
    turns = served.service.deciding.trail._turns
    assert turns is not None
    turns._seconds = seconds


def part(http: Any) -> dict[str, Any]:
    health = http.get("/health").json()
    found: dict[str, Any] = health["components"]["audit"]
    return found


def test_while_a_stopped_process_has_its_turn_the_service_answers_what_needs_none(
    served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    said: list[dict[str, Any]] = []

    def ask() -> None:
        with served.client() as http:
            http.timeout = 100
            said.append(http.post(CHECK, json=dict(GOOD)).json())

    asking = [threading.Thread(target=ask) for _ in range(3)]
    waits(served, 90.0)
    with caplog.at_level(logging.WARNING), served.client() as http:
        http.timeout = 30
        assert http.post(CHECK, json=dict(GOOD)).json()["allowed"]
        with stopped(served.data / "audit") as pid:
            for one in asking:
                one.start()
            told = f"process {pid}, which is stopped, has kept it to itself since 20"
            until(lambda: told in part(http).get("error", ""))
            until(lambda: any(told in one.getMessage() for one in caplog.records))
            for path in ("/events", "/api/v1/decisions", "/api/v1/audit", "/api/v1/trust"):
                assert http.get(path).status_code == 200
            assert http.get("/api/v1/audit/records").json()["lines"]
            assert said == []
        for one in asking:
            one.join(30)
        assert [one["allowed"] for one in said] == [True] * 3
        assert len({one["decision_id"] for one in said}) == 3
        until(lambda: part(http) == {"status": "healthy"})


def test_beyond_its_deadline_what_must_be_recorded_is_refused_and_says_by_whom(
    served: Served,
) -> None:
    waits(served, 0.3)
    with served.client() as http:
        http.timeout = 30
        with stopped(served.data / "audit") as pid:
            answers = [http.post(CHECK, json=dict(GOOD)).json() for _ in range(4)]
            logged = http.post("/log/training_event", json={"event_type": "X"})
            reset = http.post("/api/v1/trust/nobody/reset", json={"reason": "x"})
            error = part(http)["error"]
        for one in answers:
            assert not one["allowed"]
            assert one["decision_id"] is None
            assert "could not be recorded" in one["reason"]
            assert f"process {pid}" in one["reason"] or "another process" in one["reason"]
        assert f"process {pid}" in answers[-1]["reason"]
        assert logged.status_code == 503
        assert reset.status_code == 403
        assert "kept it to itself" in error
        until(lambda: part(http) == {"status": "healthy"})
        assert http.post(CHECK, json=dict(GOOD)).json()["allowed"]
    served.close()
    key = PublicKey.read(served.data / "keys" / "audit.pub")
    assert verify(served.data / "audit", key).ok
    assert os.access(served.data / "audit" / "lock", os.F_OK)


def test_a_removed_trail_is_refused_by_the_next_decision(tmp_path: Path) -> None:
    """Nobody looked since: the next record would be where nobody can find it."""
    served = Served(tmp_path / "data", look_seconds=3600.0)
    try:
        with served.client() as http:
            assert http.post(CHECK, json=dict(GOOD)).json()["allowed"]
            (served.data / "audit").rename(served.data / "elsewhere")
            said = http.post(CHECK, json=dict(GOOD)).json()
            assert part(http)["status"] == "degraded"
    finally:
        served.close()
    assert not said["allowed"]
    assert "were removed" in said["reason"]


def test_heads_are_signed_beside_the_decisions(tmp_path: Path) -> None:
    served = Served(tmp_path / "data", look_seconds=3600.0, head_records=5)
    try:
        with served.client() as http:
            for _ in range(5):
                assert http.post(CHECK, json=dict(GOOD)).json()["allowed"]
            until(lambda: http.get("/api/v1/audit").json()["head"] is not None)
    finally:
        served.close()


def test_what_takes_long_is_done_beside_the_loop(tmp_path: Path) -> None:
    """A file that is full, and much that others wrote: the loop does neither itself."""
    served = Served(tmp_path / "data", look_seconds=3600.0)
    trail = served.service.deciding.trail
    trail._segment_bytes = 3000
    threads = list[str]()
    begin, follow = trail._begin, trail._follow

    def begins(first: int) -> None:
        threads.append(threading.current_thread().name)
        begin(first)

    def follows(turns: Any, seconds: float | None) -> None:
        threads.append(threading.current_thread().name)
        follow(turns, seconds)

    trail._begin, trail._follow = begins, follows  # type: ignore[method-assign]
    try:
        with served.client() as http:
            for _ in range(9):
                assert http.post(CHECK, json=dict(GOOD)).json()["allowed"]
            with Trail(served.data / "audit", SigningKey.open(served.data / KEY)) as other:
                other.append_all([("event", {"n": "x" * 1000})] * 100)
            assert http.post(CHECK, json=dict(GOOD)).json()["allowed"]
    finally:
        served.close()
    assert len(threads) > 2
    assert all(one.startswith("trail") for one in threads)
    assert verify(served.data / "audit", PublicKey.read(served.data / f"{KEY}.pub")).ok


def test_once_the_disk_failed_nothing_more_is_recorded_though_it_works_again(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(_: int) -> None:
        raise OSError(5, "Input/output error")

    with served.client() as http:
        assert http.post(CHECK, json=dict(GOOD)).json()["allowed"]
        with monkeypatch.context() as broken:
            broken.setattr("fedsight.policy.audit.syncing.os.fsync", fails)
            broken.setattr(served.service.deciding.trail, "_head_records", 1)
            until(lambda: not http.post(CHECK, json=dict(GOOD)).json()["allowed"])
            said = http.post(CHECK, json=dict(GOOD)).json()
            assert "could not be recorded" in said["reason"]
            assert "Input/output error" in said["reason"]
            assert http.post("/log/training_event", json={"event_type": "X"}).status_code == 503
            assert "Input/output error" in part(http)["error"]
        for _ in range(3):
            said = http.post(CHECK, json=dict(GOOD)).json()
            assert not said["allowed"]
            assert "until this program is started again" in said["reason"]
        assert part(http)["status"] == "degraded"
    with pytest.raises(AuditError, match="Input/output error"):
        served.service.deciding.trail.close()
    served.close()
    again = Served(served.data)
    try:
        with again.client() as http:
            assert http.post(CHECK, json=dict(GOOD)).json()["allowed"]
    finally:
        again.close()
    assert verify(served.data / "audit", PublicKey.read(served.data / f"{KEY}.pub")).ok


def test_a_signal_that_ends_the_one_who_has_its_turn_frees_it(served: Served) -> None:
    waits(served, 90.0)
    with stopped(served.data / "audit") as pid, served.client() as http:
        http.timeout = 60
        threading.Timer(0.2, os.kill, (pid, signal.SIGKILL)).start()
        assert http.post(CHECK, json=dict(GOOD)).json()["allowed"]
