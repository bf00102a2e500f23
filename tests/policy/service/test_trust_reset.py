"""Trust over HTTP: what a run beside the service noted shows, and is reset with a reason."""

from __future__ import annotations

import time
from contextlib import closing

import pytest

from fedsight.policy.shared_trust import TRUST, SharedTrust
from tests.policy.service.served import GOOD, Served, write_tokens


def test_a_run_beside_the_service_and_the_service_have_one_book(served: Served) -> None:
    write_tokens(served.data, ("anna", "admin", "t-anna"), ("ben", "operator", "t-ben"))
    reset = "/api/v1/trust/hospital-a/reset"
    with closing(SharedTrust(served.data / TRUST)) as run, served.client("t-anna") as http:
        for _ in range(4):
            run.note("hospital-a", "suspected", time.time_ns(), run="r-1", round=3)
        told = http.get("/api/v1/trust?client=hospital-a").json()
        assert told["clients"][0]["score"] < 0.2
        assert told["history"][0]["cause"] == "suspected"
        refused = http.post("/check/client_eligibility", json=dict(GOOD)).json()
        assert "trust is below" in refused["reason"]  # it claimed more
        for body in ({}, {"reason": ""}, {"reason": " "}, {"reason": "x" * 501}, {"reason": 1}):
            assert http.post(reset, json=body).status_code == 422
        nobody = http.post("/api/v1/trust/nobody/reset", json={"reason": "seen to"})
        assert nobody.status_code == 404
        with served.client("t-ben") as other:
            answer = other.post(reset, json={"reason": "please"})
        assert answer.status_code == 403
        assert "ben may not resetTrust" in answer.json()["error"]["message"]
        assert run.score("hospital-a", time.time_ns()) < 0.2
        done = http.post(reset, json={"reason": "a broken sensor was replaced"}).json()
        assert done["after"] == 0.5
        assert run.score("hospital-a", time.time_ns()) == 0.5
        assert run.history("hospital-a")[-1].note == "by anna: a broken sensor was replaced"
        assert http.post("/check/client_eligibility", json=dict(GOOD)).json()["allowed"]
        found = http.get("/events").json()["events"]
        asked = http.get("/api/v1/decisions?action=resetTrust").json()["decisions"]
    (changed,) = [one for one in found if one["event_type"] == "TRUST_CHANGED"]
    assert changed["client_id"] == "hospital-a"
    assert changed["details"]["note"] == "by anna: a broken sensor was replaced"
    assert {one["principal"]: one["allowed"] for one in asked} == {
        "Operator::ben": False,
        "Operator::anna": True,
    }


def test_what_cannot_be_recorded_resets_nothing(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    book = served.service.deciding.standings.book()
    book.note("a", "failed", time.time_ns())

    def full(_: bytes) -> None:
        raise OSError(28, "No space left on device")

    with served.client() as http:
        monkeypatch.setattr(served.service.deciding.trail._end, "add", full)
        answer = http.post("/api/v1/trust/a/reset", json={"reason": "seen to"})
        monkeypatch.undo()
    assert answer.status_code == 403
    assert "could not be recorded" in answer.json()["error"]["message"]
    assert [one.cause for one in book.history("a")] == ["failed"]


def test_a_book_that_cannot_be_read_is_said(served: Served) -> None:
    (served.data / "none").write_text("no database" * 100)
    for name in (f"{TRUST}-wal", f"{TRUST}-shm"):
        (served.data / name).unlink(missing_ok=True)
    # In its place before it is opened anew, which may be at once.
    (served.data / "none").rename(served.data / TRUST)
    served.service.deciding.standings.close()
    with served.client() as http:
        http.get("/api/v1/trust")
        health = http.get("/health").json()
        answer = http.post("/api/v1/trust/a/reset", json={"reason": "seen to"})
    assert health["components"]["trust"]["status"] == "degraded"
    assert answer.status_code == 503
