"""Alerts and silences over HTTP, from a collector in which something really is wrong."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from fedsight.door.times import now_ns, rfc3339
from fedsight.signals import Sample, batch
from tests.collector.server import JSON, Server
from tests.security.fuzzing import wait_for_alert

HOUR = 3600 * 10**9
RULE = {"name": "deep", "metric": "queue_depth", "above": 10.0, "window_seconds": 3600.0}


@pytest.fixture(scope="module")
def wrong(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    data = tmp_path_factory.mktemp("wrong")
    with Server(data, alerts={"rules": [RULE], "rule_seconds": 0.2}) as server:
        samples = [
            Sample(now_ns(), "queue_depth", 50.0, labels={"run": "r-1", "node": "a"}),
            Sample(now_ns(), "queue_depth", 60.0, labels={"run": "r-2", "node": "b"}),
        ]
        server.send("j", [batch(samples)])
        wait_for_alert(server.http)
        yield server


def post(server: Server, path: str, body: Any) -> httpx.Response:
    return server.http.post(path, json=body, headers=server.bearer)


def ids(server: Server, **query: str) -> list[str]:
    return [one["run"] for one in server.get("/api/v1/alerts", params=query)["alerts"]]


def test_alerts_are_listed_and_filtered(wrong: Server) -> None:
    page = wrong.get("/api/v1/alerts")
    assert (page["total"], page["firing"]) == (2, 2)
    first = next(one for one in page["alerts"] if one["run"] == "r-1")
    assert (first["type"], first["state"], first["node"]) == ("deep", "firing", "a")
    assert (first["current_value"], first["threshold"]) == (50.0, 10.0)
    assert wrong.get(f"/api/v1/alerts/{first['id']}")["started"] == first["started"]
    assert ids(wrong, run="r-2") == ["r-2"]
    assert ids(wrong, state="resolved") == []
    assert ids(wrong, severity="critical") == []
    assert ids(wrong, type="deep", limit="1", offset="1") in (["r-1"], ["r-2"])
    assert ids(wrong, to=rfc3339(now_ns() - HOUR)) == []
    assert len(ids(wrong, **{"from": rfc3339(now_ns())})) == 2


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"state": "odd"}, "state"),
        ({"severity": "odd"}, "severity"),
        ({"limit": "0"}, "limit"),
        ({"from": "yesterday"}, "from"),
        ({"from": "2026-01-02T00:00:00Z", "to": "2026-01-01T00:00:00Z"}, "from"),
        ({"odd": "1"}, "odd"),
    ],
)
def test_a_bad_question_names_its_field(wrong: Server, query: dict[str, str], field: str) -> None:
    answer = wrong.http.get("/api/v1/alerts", params=query)
    assert (answer.status_code, answer.json()["error"]["field"]) == (422, field)


@pytest.mark.parametrize("number", ["0", "99", "-1", "x", "1e3", "9" * 30, "٣"])
def test_an_alert_that_there_is_not(wrong: Server, number: str) -> None:
    assert wrong.http.get(f"/api/v1/alerts/{number}").status_code == 404
    answer = post(wrong, f"/api/v1/alerts/{number}/acknowledge", {"by": "ann"})
    assert answer.status_code == 404


def test_an_alert_is_acknowledged(wrong: Server) -> None:
    answer = post(wrong, "/api/v1/alerts/1/acknowledge", {"by": "ann", "comment": "I look"})
    told = answer.json()["acknowledged"]
    assert (answer.status_code, told["by"], told["comment"]) == (200, "ann", "I look")
    assert wrong.get("/api/v1/alerts/1")["acknowledged"] == told
    for body in ({}, {"by": ""}, {"by": "a" * 200}, {"by": "a", "odd": 1}):
        assert post(wrong, "/api/v1/alerts/1/acknowledge", body).status_code == 422
    assert wrong.http.post("/api/v1/alerts/1/acknowledge", json={"by": "x"}).status_code == 401


def test_a_silence_from_its_beginning_to_its_end(wrong: Server) -> None:
    matchers = [{"label": "run", "op": "=~", "value": "r-1|x"}]
    body = {"matchers": matchers, "ends": rfc3339(now_ns() + HOUR), "by": "ann"}
    made = post(wrong, "/api/v1/silences", body)
    silence = made.json()
    assert (made.status_code, silence["matchers"]) == (201, matchers)
    held = {one["run"]: one["silence"] for one in wrong.get("/api/v1/alerts")["alerts"]}
    assert held == {"r-1": silence["id"], "r-2": None}
    assert wrong.get("/api/v1/silences")["silences"][0] == silence
    path = f"/api/v1/silences/{silence['id']}"
    assert wrong.http.delete(path).status_code == 401
    ended = wrong.http.delete(path, headers=wrong.bearer)
    assert (ended.status_code, ended.json()["id"]) == (200, silence["id"])
    assert ended.json()["ends"] < silence["ends"]
    assert wrong.get("/api/v1/alerts/1")["silence"] is None
    assert wrong.http.delete("/api/v1/silences/99", headers=wrong.bearer).status_code == 404


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"matchers": []}, "matchers"),
        ({"matchers": [{"label": "run", "value": "a", "op": "~"}]}, "matchers[0].op"),
        ({"matchers": [{"label": "run", "value": "(", "op": "=~"}]}, "matchers[0].value"),
        ({"matchers": [{"label": "run", "value": ".*", "op": "=~"}]}, "matchers"),
        ({"matchers": [{"label": "run", "value": "a" * 300}]}, "matchers[0].value"),
        ({"ends": "soon"}, "ends"),
        ({"ends": "2026-01-01T00:00:00Z"}, "ends"),
        ({"ends": "2199-01-01T00:00:00Z"}, "ends"),
        ({"odd": 1}, "odd"),
    ],
)
def test_a_bad_silence_names_its_field(wrong: Server, change: dict[str, Any], field: str) -> None:
    body = {
        "matchers": [{"label": "run", "value": "a"}],
        "ends": rfc3339(now_ns() + HOUR),
        **change,
    }
    answer = post(wrong, "/api/v1/silences", body)
    assert (answer.status_code, answer.json()["error"]["field"]) == (422, field)


def test_a_regular_expression_takes_no_more_than_linear_time(wrong: Server) -> None:
    matchers = [{"label": "run", "op": "=~", "value": "(a+)+$"}, {"label": "node", "value": "z"}]
    body = {"matchers": matchers, "ends": rfc3339(now_ns() + HOUR)}
    assert post(wrong, "/api/v1/silences", body).status_code == 201
    assert wrong.get("/api/v1/alerts")["total"] == 2


def test_rules_say_when_they_fire_and_how_often_they_did(wrong: Server) -> None:
    told = wrong.get("/api/v1/alerts/rules")
    rules = {rule["type"]: rule for rule in told["rules"]}
    assert rules["deep"]["fires_when"] == ("the latest queue_depth of the last 3,600 s is above 10")
    assert rules["deep"]["fired"] == 2
    assert rules["fl_accuracy_drop"]["fired"] == 0
    expected = {"webhooks": 0, "alertmanager": False, "waiting": 0, "error": None}
    assert told["notifiers"] == expected


def test_a_page_that_logged_in_acknowledges(wrong: Server) -> None:
    address = wrong.http.post("/api/v1/login", headers={**wrong.bearer, **JSON}).json()["address"]
    with httpx.Client(base_url=wrong.url, trust_env=False) as browser:
        key = browser.get(address).headers["Location"].rpartition("=")[2]
        body = {"by": "page"}
        path = "/api/v1/alerts/2/acknowledge"
        own = {"Origin": wrong.url}
        assert browser.post(path, json=body, headers=own).status_code == 401
        shown = {**own, "Fedsight-Write-Key": key}
        assert browser.post(path, json=body, headers=shown).status_code == 200
        foreign = {"Origin": "http://evil.example", "Fedsight-Write-Key": key}
        assert browser.post(path, json=body, headers=foreign).status_code == 403


def test_health_says_how_alerts_are(wrong: Server) -> None:
    assert wrong.get("/health")["components"]["alerts"]["status"] == "healthy"
