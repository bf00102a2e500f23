"""Beneath the service a disk that does not answer, and a folder that somebody keeps."""

from __future__ import annotations

import asyncio
import os
import threading
from pathlib import Path
from typing import Any

import pytest

from fedsight.policy import disk
from fedsight.policy.audit import AuditError, syncing
from fedsight.policy.files import default_texts
from fedsight.policy.service.desk import Desk
from fedsight.policy.versions import LOCK
from tests.policy.service.served import GOOD, Served
from tests.policy.service.test_turn_kept import CHECK, part, until
from tests.policy.test_syncing import Hanging

LIMITS = default_texts()["federation.toml"]
OTHER = {**default_texts(), "federation.toml": LIMITS.replace("min_trust = 0.4", "min_trust = 0.5")}


def test_a_disk_that_does_not_answer_is_said_and_sets_are_taken_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    served = Served(tmp_path / "data", head_records=1)
    hanging = Hanging(served.data / "audit")
    monkeypatch.setattr(syncing, "LATE_SECONDS", 0.2)
    monkeypatch.setattr(os, "fsync", hanging)
    try:
        with served.client() as http:
            before = http.get("/api/v1/policies").json()["version"]
            until(lambda: not http.post(CHECK, json=dict(GOOD)).json()["allowed"])
            said = http.post(CHECK, json=dict(GOOD)).json()
            assert "has not answered for more than 0.2 s" in said["reason"]
            assert "has not answered" in part(http)["error"]
            assert http.post("/log/training_event", json={"event_type": "X"}).status_code == 503
            (served.rules / "federation.toml").write_text(OTHER["federation.toml"])
            until(lambda: http.get("/api/v1/policies").json()["version"] != before)
            assert not http.post(CHECK, json=dict(GOOD)).json()["allowed"]
            hanging.let_go.set()
            until(lambda: http.post(CHECK, json=dict(GOOD)).json()["allowed"])
            until(lambda: part(http) == {"status": "healthy"})
    finally:
        hanging.let_go.set()
        served.close()


def test_what_would_wait_behind_a_disk_that_does_not_answer_is_asked_at_once() -> None:
    desk = Desk(lambda: True)
    desk._waiting = 1
    try:
        assert asyncio.run(desk.done(lambda at_once: at_once))
    finally:
        desk.close()


def test_a_look_that_found_nothing_due_takes_back_no_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    served = Served(tmp_path / "data", look_seconds=3600.0)
    deciding = served.service.deciding
    sign = deciding.trail.sign

    def meanwhile(**how: Any) -> object:
        found = sign(**how)
        deciding._heads.fault = AuditError("the disk is gone")
        return found

    try:
        with monkeypatch.context() as other:
            other.setattr(deciding.trail, "sign", meanwhile)
            deciding.look()
        assert str(deciding._heads.fault) == "the disk is gone"
        deciding.look()
        assert deciding._heads.fault is None
    finally:
        served.close()


def test_whoever_keeps_the_folder_stops_no_answer_and_a_change_says_so(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: list[int] = []

    def put() -> None:
        with served.client() as http:
            http.timeout = 60
            taken.append(http.put("/api/v1/policies", json={"files": OTHER}).status_code)

    with served.client() as http:
        http.timeout = 30
        with disk.locked(served.rules / LOCK):
            monkeypatch.setattr(disk, "LOCK_SECONDS", 0.1)
            refused = http.put("/api/v1/policies", json={"files": OTHER})
            monkeypatch.setattr(disk, "LOCK_SECONDS", 50.0)
            putting = threading.Thread(target=put)
            putting.start()
            until(served.service.busy.locked)
            assert http.post(CHECK, json=dict(GOOD)).json()["allowed"]
            assert http.get("/health").status_code == 200
            assert taken == []
        putting.join(30)
    assert refused.status_code == 503
    assert "another process keeps" in refused.json()["error"]["message"]
    assert taken == [200]
