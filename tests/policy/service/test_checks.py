"""Decisions over HTTP: the same as the engine's, recorded first, denied where not judged."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fedsight.policy import Engine
from fedsight.policy.audit import PublicKey, SigningKey, Trail, verify
from fedsight.policy.files import default
from fedsight.policy.overseer import Overseer
from tests.policy.asked import asks, client
from tests.policy.service.served import GOOD, Served, write_set

NOBODY = """
@id("x.none")
@reason("nobody now")
forbid (principal is FL::Client, action, resource is FL::Federation);
"""


def without(name: str) -> dict[str, object]:
    return {key: value for key, value in GOOD.items() if key != name}


def test_a_good_client_takes_part_and_the_decision_is_in_the_trail(served: Served) -> None:
    with served.client() as http:
        said = http.post("/check/client_eligibility", json=dict(GOOD)).json()
    assert said["allowed"], said
    assert said["rules"] == [
        {"id": "client.member", "reason": "a member of the federation", "effect": "permit"}
    ]
    assert said["decision_id"] == served.service.deciding.trail.seq
    (trail,) = (served.data / "audit").glob("*.jsonl")
    lines = [json.loads(line) for line in trail.read_text().splitlines()]
    kept = next(one for one in lines if one["seq"] == said["decision_id"])
    assert kept["kind"] == "decision"
    assert kept["body"]["request"]["principal"]["id"] == "hospital-a"


@pytest.mark.parametrize(
    ("path", "body", "why"),
    [
        ("/check/client_eligibility", without("trust_score"), "lacks trust"),
        ("/check/client_eligibility", {**GOOD, "trust_score": "0.9"}, "must be a"),
        ("/check/client_eligibility", {**GOOD, "trust_score": 0.1}, "trust is below"),
        ("/check/client_eligibility", {}, "lacks"),
        ("/check/model_sharing", {"client_trust_score": 0.9}, "lacks size_bytes"),
        ("/check/model_sharing", {"model_size_mb": 1}, "lacks trust"),
        ("/check/model_sharing", {"model_size_mb": "1", "client_trust_score": 0.9}, "must be"),
        ("/check/model_sharing", {"model_size_mb": 1e300, "client_trust_score": 0.9}, "size_bytes"),
        ("/check/model_sharing", {"model_size_mb": -1, "client_trust_score": 0.9}, "larger"),
        ("/check/model_sharing", {"model_size_mb": 60, "client_trust_score": 0.5}, "more trust"),
        ("/api/v1/check", {"policy_type": "magic", "context": {}}, "unknown action"),
        ("/api/v1/check", {"policy_type": "changePolicy", "context": {}}, "unknown action"),
    ],
)
def test_what_cannot_be_judged_is_denied(
    served: Served, path: str, body: dict[str, object], why: str
) -> None:
    with served.client() as http:
        answer = http.post(path, json=body)
    said = answer.json()
    assert answer.status_code == 200, said
    assert not said["allowed"]
    assert why in said["reason"]
    assert said["violations"]
    assert said["decision_id"] is not None


def test_a_model_is_shared_and_a_batch_says_what_single_questions_say(served: Served) -> None:
    checks = [
        {
            "policy_type": "model_sharing",
            "context": {"model_size_mb": 1, "client_trust_score": 0.9},
        },
        {"policy_type": "client_eligibility", "context": dict(GOOD)},
        {"policy_type": "nothing", "context": {}},
        {"policy_type": "next_round", "context": {"run": "r-1", "round": 1}},
    ]
    with served.client() as http:
        many = http.post("/api/v1/check/batch", json={"checks": checks}).json()["decisions"]
        single = [http.post("/api/v1/check", json=one).json() for one in checks]
        too_many = http.post("/api/v1/check/batch", json={"checks": checks * 300})
    assert [one["allowed"] for one in many] == [True, True, False, False]
    assert too_many.status_code == 422
    for one, other in zip(many, single, strict=True):
        assert {**one, "decision_id": 0} == {**other, "decision_id": 0}


@pytest.mark.parametrize(
    "body", [b"{", b"[]", b"\xff", b"[" * 100_000, b'"text"', b"null", b'{"policy_type": 1}']
)
def test_bodies_that_are_no_question_are_refused(served: Served, body: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    with served.client() as http:
        for path in ("/api/v1/check", "/check/client_eligibility", "/log/training_event"):
            answer = http.post(path, content=body, headers=headers)
            if path.startswith("/check") and body.startswith(b"{") and body != b"{":
                assert not answer.json()["allowed"]
            else:
                assert answer.status_code in (400, 422), (path, answer.text)
                assert answer.json()["error"]["message"]
        assert http.get("/health").json()["status"] == "healthy"


def test_after_a_policy_change_no_stale_answer(served: Served) -> None:
    with served.client() as http:
        assert http.post("/check/client_eligibility", json=dict(GOOD)).json()["allowed"]
        files = http.get("/api/v1/policies").json()["files"]
        taken = http.put("/api/v1/policies", json={"files": {**files, "x.cedar": NOBODY}})
        assert taken.status_code == 200, taken.text
        said = http.post("/check/client_eligibility", json=dict(GOOD)).json()
    assert not said["allowed"]
    assert "nobody now" in said["reason"]
    assert said["policy_version"] == taken.json()["version"]


def test_a_trail_that_cannot_be_written_denies(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: bytes) -> None:
        raise OSError(28, "No space left on device")

    with served.client() as http:
        monkeypatch.setattr(served.service.deciding.trail._end, "add", full)
        said = http.post("/check/client_eligibility", json=dict(GOOD)).json()
        health = http.get("/health").json()
        event = http.post("/log/training_event", json={"event_type": "X"})
        monkeypatch.undo()
        after = http.post("/check/client_eligibility", json=dict(GOOD)).json()
    assert not said["allowed"]
    assert "could not be recorded" in said["reason"]
    assert said["decision_id"] is None
    assert health["status"] == "degraded"
    assert event.status_code == 503
    assert after["allowed"]


def test_after_a_restart_decisions_events_and_keys_are_there(tmp_path: Path) -> None:
    data = tmp_path / "data"
    write_set(data / "policy")
    first = Served(data)
    told = {"event_type": "ROUND_STARTED", "event_id": "e-1", "run": "r-1", "round": 1}
    with first.client() as http:
        decided = http.post("/check/client_eligibility", json=dict(GOOD)).json()
        logged = http.post("/log/training_event", json=told).json()
        before = http.get("/events").json()["events"]
        rows = http.get("/api/v1/decisions").json()["decisions"]
    first.close()
    again = Served(data)
    with again.client() as http:
        assert http.post("/log/training_event", json=told).json() == {**logged, "duplicate": True}
        events = http.get("/events").json()["events"]
        assert http.get("/api/v1/decisions").json()["decisions"] == rows
        verified = http.get("/api/v1/audit/verify").json()
    again.close()
    assert rows[0]["decision_id"] == decided["decision_id"]
    assert events[: len(before)] == before
    assert events[-1]["event_type"] == "AUDIT_ANCHOR"
    assert verified["ok"], verified
    assert verify(data / "audit", PublicKey.read(data / "keys" / "audit.pub")).ok


def test_what_others_record_in_the_data_directory_shows_and_is_signed(served: Served) -> None:
    """A governed run beside the service, and a second service."""
    key = SigningKey.open(served.data / "keys" / "audit")
    engine = Engine(default())
    with Trail(served.data / "audit", key, head_records=10**6) as trail:
        assert Overseer(lambda: engine, trail).decide(asks(party=client("of-a-run"))).allowed
        with served.client() as http:
            rows = http.get("/api/v1/decisions?client=of-a-run").json()["decisions"]
            assert [one["decision_id"] for one in rows] == [trail.seq]
            mine = http.post("/check/client_eligibility", json=dict(GOOD)).json()["decision_id"]
        assert mine == trail.seq + 1
        assert trail.follow() == mine
    second = Served(served.data)
    told = {"event_type": "X", "event_id": "e-1"}
    with served.client() as http, second.client() as other:
        first = http.post("/log/training_event", json=told).json()
        assert other.post("/log/training_event", json=told).json() == {**first, "duplicate": True}
        changed = other.post("/log/training_event", json={**told, "event_type": "Y"})
        assert changed.status_code == 409
        kinds = [one["event_type"] for one in http.get("/events").json()["events"]]
        assert kinds.count("X") == 1
        assert "AUDIT_ANCHOR" in kinds  # of the run's head
    second.close()
    public = PublicKey.read(served.data / "keys" / "audit.pub")
    assert verify(served.data / "audit", public).ok


def test_a_trail_that_somebody_changed_refuses_and_health_says_so(served: Served) -> None:
    (path,) = (served.data / "audit").glob("*.jsonl")
    path.write_bytes(path.read_bytes() + b"nothing\n")
    with served.client() as http:
        said = http.post("/check/client_eligibility", json=dict(GOOD)).json()
        health = http.get("/health").json()
        found = http.get("/api/v1/audit/verify").json()
    assert not found["ok"]
    assert "was altered" in found["what"]
    assert not said["allowed"]
    assert "was changed by somebody else" in said["reason"]
    assert health["components"]["audit"]["status"] == "degraded"
    path.write_bytes(path.read_bytes().removesuffix(b"nothing\n"))
