"""What is kept to be listed is bounded in bytes, too, and so is what one answer holds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from fedsight.policy.request import MOST_NAME
from fedsight.policy.service.kept import PAGE_BYTES, Kept, decision_row, event_row, page
from tests.policy.service.served import GOOD, Served

LARGE = [f"{at:04}{'x' * 900}" for at in range(1000)]


def body(size: int) -> dict[str, Any]:
    client = {"type": "Client", "id": "a", "attributes": {"tags": "x" * size}, "groups": []}
    request = {"principal": client, "action": "train", "time": 1, "resource": None, "context": {}}
    judged = {"allowed": False, "observed": False, "reason": "", "rules": [], "errors": []}
    return {"request": request, **judged, "version": "v", "inputs": "i", "obligations": []}


def test_rows_go_by_count_and_by_bytes_and_the_newest_always_stays() -> None:
    kept: Kept[Any] = Kept(3, 10_000)
    for number in range(1, 6):
        kept.add(number, decision_row(number, body(100)))
    assert (len(kept), kept.oldest, kept.last, kept.full) == (3, 3, 5, True)
    kept.add(6, decision_row(6, body(7000)))
    assert [one.decision_id for one in kept.newest()] == [6, 5]
    kept.add(7, decision_row(7, body(20_000)))
    assert [one.decision_id for one in kept.newest()] == [7]
    assert kept.bytes == kept.newest()[0].size
    assert [one.decision_id for one in kept.after(0)] == [7]


def test_a_large_request_is_told_without_its_attributes() -> None:
    told = msgspec.json.decode(msgspec.json.encode(decision_row(1, body(70_000))))
    assert told["request"]["principal"] == {
        "type": "Client",
        "id": "a",
        "attributes": {},
        "groups": [],
    }
    assert told["request"]["left_out_bytes"] > 70_000
    assert told["client_id"] == "a"
    whole = msgspec.json.decode(msgspec.json.encode(decision_row(1, body(60_000))))
    assert len(whole["request"]["principal"]["attributes"]["tags"]) == 60_000


def test_a_page_ends_where_its_bytes_do_but_always_leads_on() -> None:
    event = {"timestamp": "t", "source": "s", "event_type": "E", "details": {"x": "y" * 3_000_000}}
    rows = [event_row(number, event) for number in range(5)]
    assert [one.event_id for one in page(rows, 100)] == [0, 1]
    small = [event_row(number, {**event, "details": {}}) for number in range(5)]
    assert len(page(small, 3)) == 3
    assert sum(one.size for one in page(small, 100)) < PAGE_BYTES


def ask(http: httpx.Client, **more: Any) -> httpx.Response:
    return http.post("/check/client_eligibility", json={**GOOD, **more})


def test_large_checks_cost_no_more_memory_than_is_allowed(tmp_path: Path) -> None:
    served = Served(tmp_path / "data", kept_bytes=2**20)
    try:
        with served.client() as http:
            for at in range(12):
                assert ask(http, client_id=f"c-{at}", capabilities=LARGE).status_code == 200
            shelf = served.service.deciding
            assert shelf.decisions.bytes <= 2**20
            assert len(shelf.decisions.newest()[0].request) < 2000
            for at in range(12):
                told = {"event_type": "NOTE", "details": {"at": at, "x": "y" * 500_000}}
                assert http.post("/log/training_event", json=told).status_code == 200
            assert len(shelf.events) <= 3
            newest = http.get("/events").json()
            assert newest["events"][-1]["details"]["at"] == 11
            first = http.get("/api/v1/decisions").json()
            assert first["decisions"][0]["request"]["left_out_bytes"] > 900_000
            lines = http.get("/api/v1/audit/records", params={"limit": 5}).json()["lines"]
            assert any(LARGE[7] in line for line in lines)
    finally:
        served.close()


def test_a_list_is_read_to_its_end_by_its_pages(served: Served) -> None:
    tags = [f"{at:02}{'x' * 900}" for at in range(65)]
    with served.client() as http:
        checks = [
            {"policy_type": "training", "context": {**GOOD, "client_id": f"c-{at}", "tags": 1}}
            | {"context": {**GOOD, "client_id": f"c-{at}", "capabilities": tags}}
            for at in range(100)
        ]
        assert http.post("/api/v1/check/batch", json={"checks": checks}).status_code == 200
        listed, asked = list[dict[str, Any]](), dict[str, int]()
        while True:
            answer = http.get("/api/v1/decisions", params={"limit": 1000, **asked})
            assert len(answer.content) < PAGE_BYTES + 200_000
            found = answer.json()
            listed += found["decisions"]
            if not found["more"]:
                break
            asked = {"before_decision_id": found["decisions"][-1]["decision_id"]}
        after = http.get("/api/v1/decisions", params={"since_decision_id": 0, "limit": 1000})
    clients = [one["client_id"] for one in listed if one["client_id"]]
    assert clients == [f"c-{at}" for at in reversed(range(100))]
    assert len(answer.content) < len(json.dumps(listed))
    assert after.json()["more"]
    assert found["total"] >= 100


@pytest.mark.parametrize(
    ("path", "told", "field"),
    [
        ("/check/client_eligibility", {"client_id": "x" * 257}, "client_id"),
        ("/check/model_sharing", {"model_id": "x" * 257}, "model_id"),
        (
            "/api/v1/check",
            {"policy_type": "training", "context": {"run": "x" * 257}},
            "context.run",
        ),
        ("/api/v1/check", {"policy_type": "x" * 257, "context": {}}, "policy_type"),
        (
            "/api/v1/check/batch",
            {"checks": [{"policy_type": "training", "context": {"client_id": "x" * 257}}]},
            "checks[0].context.client_id",
        ),
    ],
)
def test_a_name_that_is_too_long_is_refused(
    served: Served, path: str, told: dict[str, Any], field: str
) -> None:
    with served.client() as http:
        answer = http.post(path, json=told)
        assert answer.status_code == 422, answer.text
        assert answer.json()["error"]["field"] == field
        assert len(answer.content) < 500
        assert ask(http, client_id="x" * MOST_NAME).json()["allowed"]
