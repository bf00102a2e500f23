"""Holes that were found by attacking the service, each as a test."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

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
