"""What the service lists: decisions by cursor and filter, refusals counted, trust, the trail."""

from __future__ import annotations

import hashlib
import time
from pathlib import Path
from typing import Any

import pytest

from fedsight.policy.service.kept import DecisionRow
from fedsight.policy.service.refusing import MOST_STEPS, because, refusals
from fedsight.policy.shared_trust import TRUST, SharedTrust
from tests.policy.service.served import GOOD, Served, write_set

SECOND = 10**9


def row(number: int, **changes: Any) -> DecisionRow:
    at = f"2026-11-26T12:{number // 60:02}:{number % 60:02}.000000000Z"
    told: dict[str, Any] = {
        "decision_id": number,
        "timestamp": at,
        "action": "train",
        "principal": "Client::a",
        "client_id": "a",
        "allowed": False,
        "observed": False,
        "reason": "its trust is low",
        "rules": ["low"],
        "errors": [],
        "policy_version": "v",
        "inputs": "0" * 64,
        "run": "r-1",
        "round": 1,
        "request": {},
        "obligations": [],
    }
    return DecisionRow(**{**told, **changes})


def test_each_rule_has_its_own_reason() -> None:
    two = row(1, rules=["low", "few"], reason="its trust is low; it has few; boom", errors=["boom"])
    assert [(one.id, one.reason) for one in because(two)] == [
        ("low", "its trust is low"),
        ("few", "it has few"),
    ]
    told = "allowed for observation only, would be refused: its trust is low"
    seen = because(row(2, allowed=True, observed=True, reason=told))
    assert [(one.reason, one.effect) for one in seen] == [("its trust is low", "forbid")]
    parted = because(row(3, rules=["low", "few"], reason="low; and; few"))
    assert [one.reason for one in parted] == ["", ""]
    assert because(row(4, reason="low; and so", allowed=True))[0].reason == "low; and so"
    assert because(row(5, rules=[], reason="no rule permits it")) == []


def test_refusals_are_counted_by_rule_client_and_time() -> None:
    found = [
        row(300, client_id="b", rules=["low", "few"], reason="its trust is low; it has few"),
        row(200, rules=[], reason="no rule permits it"),
        row(120, rules=[], reason="x is missing", errors=["x is missing"], client_id=None),
        row(60, allowed=True),
        row(0),
    ]
    counted = refusals(found, found[-1].timestamp)
    assert (counted.refused, counted.decisions, counted.step_seconds) == (4, 5, 10.0)
    assert {one.client: one.count for one in counted.clients} == {"a": 2, "b": 1, "Client::a": 1}
    assert counted.clients[0].client == "a"
    by_rule = {one.rule: one for one in counted.rules}
    assert by_rule["low"].clients == {"a": 1, "b": 1}
    assert by_rule[None].count == 2
    assert by_rule["low"].last == found[0].timestamp
    for one in counted.rules:
        assert sum(one.steps) == one.count
        assert len(one.steps) <= MOST_STEPS
    assert by_rule["low"].steps[0] == by_rule["low"].steps[-1] == 1


def test_nobody_refused_is_no_table() -> None:
    counted = refusals([row(1, allowed=True)], None)
    assert (counted.refused, counted.rules, counted.start) == (0, [], None)


def ask(http: Any, name: str, trust: float) -> None:
    http.post("/check/client_eligibility", json={**GOOD, "client_id": name, "trust_score": trust})


def test_decisions_go_back_and_forth_by_cursor_and_by_text(served: Served) -> None:
    with served.client() as http:
        for at in range(7):
            ask(http, f"c-{at}", 0.9 if at % 2 else 0.1)

        def names(query: str) -> list[str]:
            rows = http.get(f"/api/v1/decisions?{query}").json()["decisions"]
            return [one["client_id"] for one in rows]

        newest = http.get("/api/v1/decisions?limit=3").json()
        oldest = newest["decisions"][-1]["decision_id"]
        assert names(f"before_decision_id={oldest}&limit=2") == ["c-3", "c-2"]
        assert names(f"since_decision_id={oldest}") == ["c-5", "c-6"]
        assert names("text=TRUST is below&limit=2") == ["c-6", "c-4"]
        assert names("text=nothing like it") == []
        assert names("until=2020-01-01T00:00:00Z") == []
        assert len(names("since=2020-01-01T00:00:00%2B02:00")) == 7
        assert http.get("/api/v1/decisions?since=yesterday").json()["error"]["field"] == "since"
        first = newest["decisions"][0]
        assert first["because"] == [
            {
                "id": "client.trust-too-low",
                "reason": "its trust is below the federation's minimum",
                "effect": "forbid",
            }
        ]
        assert first["obligations"] == []
        table = http.get("/api/v1/refusals?rule=client.trust-too-low").json()
    assert {one["client"] for one in table["clients"]} == {"c-0", "c-2", "c-4", "c-6"}
    assert table["rules"][0]["count"] == table["refused"] == 4


def test_trust_is_told_over_time_with_the_threshold(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    book, now = SharedTrust(data / TRUST), time.time_ns() - 100 * SECOND
    for at in range(5):
        book.note("good", "answered", now + at * SECOND, run="r-1", round=at)
        book.note("bad", "suspected", now + at * SECOND, run="r-1", round=at, note="unlike others")
    book.close()
    served = Served(data)
    try:
        with served.client() as http:
            told = http.get("/api/v1/trust/history?changes=2").json()
            one = http.get("/api/v1/trust/history?client=good").json()
            missing = http.get("/api/v1/trust/history?client=nobody").status_code
    finally:
        served.close()
    assert [client["client"] for client in told["clients"]] == ["bad", "good"]
    assert [change["round"] for change in told["clients"][0]["changes"]] == [3, 4]
    assert told["clients"][0]["changes"][0]["note"] == "unlike others"
    assert (told["min_trust"], told["initial"], told["total"]) == (0.4, 0.5, 2)
    assert len(one["clients"][0]["changes"]) == 5
    assert missing == 404


def test_the_trail_tells_its_head_its_key_and_what_verifying_found(served: Served) -> None:
    with served.client() as http:
        before = http.get("/api/v1/audit").json()
        for at in range(3):
            ask(http, f"c-{at}", 0.9)
        verdict = http.get("/api/v1/audit/verify").json()
        state = http.get("/api/v1/audit").json()
    assert before["verified"] is None
    assert state["verified"]["ok"] is verdict["ok"] is True
    assert state["verified"]["last"] == verdict["last"] == state["records"]
    assert state["head"]["seq"] == verdict["signed"] + 1
    public = (served.data / "keys/audit.pub").read_text().strip()
    assert state["key"] == public
    assert state["fingerprint"] == hashlib.sha256(bytes.fromhex(public)).hexdigest()[:16]
    assert (state["first"], state["files"], state["fault"]) == (1, 1, None)
    assert state["bytes"] > 0


def test_records_are_told_as_they_stand_in_the_trail(served: Served) -> None:
    with served.client() as http:
        for at in range(5):
            ask(http, f"c-{at}", 0.9)
        http.get("/api/v1/audit/verify")
        found, after = list[str](), 0
        while True:
            page = http.get("/api/v1/audit/records", params={"after": after, "limit": 2}).json()
            found += page["lines"]
            if page["next"] is None:
                break
            after = page["next"]
    files = sorted((served.data / "audit").glob("*.jsonl"))
    assert found == [line for file in files for line in file.read_text().splitlines()]
    assert len(found) >= 6


@pytest.mark.parametrize(
    ("path", "role"),
    [
        ("decisions", "viewer"),
        ("refusals", "viewer"),
        ("audit", "viewer"),
        ("audit/records", "operator"),
    ],
)
def test_the_trail_is_an_auditors(served: Served, path: str, role: str) -> None:
    with served.client(f"t-{role}") as http:
        assert http.get(f"/api/v1/{path}").status_code == 403
    with served.client("t-auditor") as http:
        assert http.get(f"/api/v1/{path}").status_code == 200


def test_a_set_without_a_threshold_tells_none(tmp_path: Path) -> None:
    data = tmp_path / "data"
    write_set(data / "policy")
    served = Served(data)
    try:
        with served.client() as http:
            told = http.get("/api/v1/trust/history").json()
    finally:
        served.close()
    assert (told["clients"], told["total"]) == ([], 0)
