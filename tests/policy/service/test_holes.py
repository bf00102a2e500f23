"""Holes that were found by attacking the service, each as a test."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from fedsight.policy.audit import SigningKey, Trail
from fedsight.policy.audit.exporting import records
from fedsight.policy.service.beside import Beside
from fedsight.policy.shared_trust import TRUST
from tests.policy.service.served import GOOD, Served


def test_a_book_of_trust_that_cannot_be_read_lets_nobody_claim_trust(tmp_path: Path) -> None:
    (tmp_path / TRUST).write_bytes(b"no database" * 1000)
    served = Served(tmp_path)
    try:
        with served.client() as http:
            answer = http.post("/check/client_eligibility", json=GOOD).json()
    finally:
        served.close()
    assert not answer["allowed"]
    assert "trust" in answer["reason"]


def test_an_event_cannot_pass_for_a_signed_head(served: Served) -> None:
    with served.client() as http:
        told = {"event_type": "AUDIT_ANCHOR", "details": {}}
        assert http.post("/log/training_event", json=told).status_code == 422
        # One that is in the trail already, as an older service took it.
        body = {"timestamp": "", "source": "x", **told}
        served.service.deciding.trail.append("event", body)
        answer = http.get("/api/v1/audit")
    assert answer.status_code == 200


def test_a_record_of_absurd_types_is_shown_to_nobody_and_stops_nothing(served: Served) -> None:
    """Whoever can write the trail's files adds records; whoever reads is answered all the same."""
    with served.client() as http:
        assert http.post("/check/client_eligibility", json=GOOD).json()["allowed"]
        right = served.service.deciding.decisions.newest()[0]
        with Trail(served.data / "audit", SigningKey.open(served.data / "keys" / "audit")) as other:
            (kept,) = records(served.data / "audit", kind="decision")
            late = {**kept.body["request"], "time": {"$int": "9" * 30}}
            for wrong in ({"rules": 5}, {"reason": [1]}, {"request": late}, {"version": None}):
                other.append("decision", {**kept.body, **wrong})
            event = {"timestamp": 5, "source": "x", "event_type": "X", "details": {}}
            other.append("event", {**event, "key": ["no", "text"]})
        found = http.get("/api/v1/decisions", params={"rule": "x", "text": "x"})
        all_ = http.get("/api/v1/decisions").json()["decisions"]
        assert (found.status_code, found.json()["total"]) == (200, 0)
        assert [one["decision_id"] for one in all_] == [right.decision_id]
        assert http.get("/events").status_code == 200
        assert http.get("/api/v1/refusals").status_code == 200
        assert http.post("/check/client_eligibility", json=GOOD).json()["allowed"]


def test_a_process_beside_runs_nothing_of_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "msgspec.py").write_text("raise SystemExit(3)")
    monkeypatch.chdir(tmp_path)

    async def starts() -> None:
        one = Beside()
        try:
            await one.ready()
        finally:
            await one.end()

    asyncio.run(starts())
