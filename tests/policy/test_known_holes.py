"""Each hole that a policy engine of this kind is known to have had, as a test that is denied."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from fedsight.policy import Engine
from fedsight.policy.files import default
from fedsight.policy.flopy import imported
from tests.policy.asked import asks, changed, client, refusals, shares
from tests.policy.service.served import GOOD, Served, files_of, write_tokens

ENGINE = Engine(default())


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    write_tokens(tmp_path / "data", ("anna", "admin", "t-anna"))
    one = Served(tmp_path / "data")
    yield one
    one.close()


def eligible(http: httpx.Client, **changes: Any) -> bool:
    answer = http.post("/check/client_eligibility", json={**GOOD, **changes})
    return answer.status_code == 200 and bool(answer.json()["allowed"])


def test_an_omitted_size_is_denied(served: Served) -> None:
    assert "lacks size_bytes" in ENGINE.decide(shares(None)).reason
    with served.client() as http:
        answer = http.post("/check/model_sharing", json={"client_trust_score": 0.9}).json()
    assert not answer["allowed"]


def test_an_omitted_trust_is_denied(served: Served) -> None:
    assert "lacks trust" in ENGINE.decide(asks(party=client(trust=None))).reason
    told = {key: value for key, value in GOOD.items() if key != "trust_score"}
    with served.client() as http:
        assert not http.post("/check/client_eligibility", json=told).json()["allowed"]


def test_an_unknown_policy_type_is_denied(served: Served) -> None:
    with served.client() as http:
        for kind in ("magic", "", "client_eligibility ", "resetTrust", "changePolicy"):
            answer = http.post("/api/v1/check", json={"policy_type": kind, "context": dict(GOOD)})
            assert not answer.json().get("allowed", False), kind


def test_a_condition_with_and_and_or_mixed_allows_what_both_readings_do() -> None:
    text = "trust > 0.5 OR trust > 0.1 AND samples > 9"
    rule = {"name": "p", "type": "fl_client_selection", "priority": 1, "enabled": True}
    policies = [{**rule, "action": "allow", "condition": text}]
    _, found = imported(json.dumps({"version": 2, "policies": policies}).encode())
    engine = Engine(found)
    assert not engine.decide(asks(party=client(trust=0.9, samples=1))).allowed
    assert not engine.decide(asks(party=client(trust=0.05, samples=10))).allowed
    assert engine.decide(asks(party=client(trust=0.9, samples=10))).allowed
    mixed = changed(
        own='@id("own.mixed")\n@reason("r")\nforbid (principal is FL::Client, action, resource)\n'
        "when { principal.cpu_count < 2 || principal.cpu_count > 8 && principal.memory_mb < 1000 };"
    )
    for figures in ({"cpu_count": 1, "memory_mb": 8000}, {"cpu_count": 9, "memory_mb": 900}):
        assert "own.mixed" in refusals(Engine(mixed), asks(party=client(**figures)))
    assert Engine(mixed).decide(asks(party=client(cpu_count=9))).allowed


def test_a_quoted_string_is_no_number_and_ends_no_text() -> None:
    assert not ENGINE.decide(asks(party=client(trust="0.9"))).allowed
    engine = Engine(changed({"members": '["hospital-a"]'}))
    for name in ('"hospital-a"', 'hospital-a"', 'x" || true || "', "hospital-a\\"):
        assert "client.not-a-member" in refusals(engine, asks(party=client(name)))


def test_a_name_that_is_a_prefix_of_another_is_another() -> None:
    engine = Engine(changed({"members": '["hospital-a"]'}))
    for name in ("hospital", "hospital-a2", "hospital-a ", "HOSPITAL-A"):
        assert "client.not-a-member" in refusals(engine, asks(party=client(name)))


def test_a_rule_with_no_match_denies() -> None:
    only = changed(
        **dict.fromkeys(("sharing", "runs", "operators"), "// nothing"),
        clients='@id("own.one")\n@reason("r")\npermit (principal == FL::Client::"b", action,'
        " resource);",
    )
    assert ENGINE.decide(asks()).allowed
    assert Engine(only).decide(asks()).reason == "no rule permits it"


def test_a_stale_cached_answer_after_a_policy_change_is_denied(served: Served) -> None:
    nobody = (
        '@id("x.none")\n@reason("nobody now")\nforbid (principal is FL::Client, action, resource);'
    )
    with served.client() as http:
        assert eligible(http)
        assert http.put("/api/v1/policies", json={"files": files_of(x=nobody)}).status_code == 200
        assert not eligible(http)


def test_a_replayed_token_is_denied(served: Served) -> None:
    """What opened something once, shown again after it was taken back."""
    with served.client("t-anna") as anna, served.client() as own:
        assert eligible(anna)
        assert eligible(own)
        # Rotated to one of the same length, twice within a tick of the file system's clock.
        for token in ("t-anne", "t-annb"):
            write_tokens(served.data, ("anna", "admin", token))
            assert not eligible(anna)
        with served.client("t-anne") as rotated:
            assert not eligible(rotated)
        with served.client("t-annb") as rotated:
            assert eligible(rotated)
            write_tokens(served.data, ("anna", "admin expires=2020-01-01T00:00:00Z", "t-annb"))
            assert not eligible(rotated)
            (served.data / "policy-tokens.toml").unlink()
            assert not eligible(rotated)
        (served.data / "token").write_text("another\n")
        assert not eligible(own)
        with served.client("another") as new:
            assert eligible(new)
        (served.data / "token").unlink()
        with served.client("another") as new:
            assert not eligible(new)


def test_a_replayed_request_is_denied(served: Served) -> None:
    """A change that was authorised once changes nothing when it is sent again."""
    closed = '@id("x.none")\n@reason("no")\nforbid (principal is FL::Client, action, resource);'
    with served.client() as http:
        first = http.get("/api/v1/policies").json()["version"]
        opened = {"files": files_of(), "expected_version": first, "note": "open"}
        taken = http.put("/api/v1/policies", json=opened)
        shut = {"files": files_of(x=closed), "expected_version": taken.json()["version"]}
        assert http.put("/api/v1/policies", json=shut).status_code == 200
        assert http.put("/api/v1/policies", json=opened).status_code == 409
        assert not eligible(http)
        told = {"event_type": "ROUND_COMPLETED", "event_id": "r-1/1", "round": 1}
        kept = http.post("/log/training_event", json=told).json()
        assert http.post("/log/training_event", json=told).json() == {**kept, "duplicate": True}
        for other in ({"round": 2}, {"event_type": "X"}, {"client_id": "a"}, {"details": {"a": 1}}):
            assert http.post("/log/training_event", json={**told, **other}).status_code == 409


def test_a_decision_is_worth_nothing_in_another_round(served: Served) -> None:
    """An answer is no ticket: trust that fell since is in the next one."""
    book = served.service.deciding.standings.book()
    with served.client() as http:
        assert eligible(http)
        for _ in range(4):
            book.note("hospital-a", "suspected", time.time_ns())
        assert not eligible(http)
