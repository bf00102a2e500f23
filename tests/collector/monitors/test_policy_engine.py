"""The policy monitor against a stub over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from fedsight.collector.monitors import policy_answers
from fedsight.collector.monitors.asking import Asking
from fedsight.collector.monitors.contract import ForeignAnswerError, Found
from fedsight.collector.monitors.policy_answers import PolicyEngineState
from fedsight.collector.monitors.policy_engine import PolicyEngineMonitor
from tests.collector.monitors.board import figures, in_loop
from tests.collector.monitors.foreign_server import stamp
from tests.collector.stub_service import Asked, Said, StubService

METRICS = b"""# HELP policy_checks_total Checks.
# TYPE policy_checks_total counter
policy_checks_total{result="allowed"} 12
policy_checks_total{result="denied"} NaN
"""
MINUTE = 60 * 10**9


class PolicyEngine:
    """A stand-in for a policy engine; routes can be taken away."""

    def __init__(self) -> None:
        self.policies: Any = {"policies": [{"id": "a"}, {"id": "b", "enabled": False}]}
        self.events: list[dict[str, Any]] = []
        self.decisions: list[dict[str, Any]] = []
        self.without: set[str] = set()
        self.service = StubService(self._answer)

    def _answer(self, asked: Asked) -> Said:
        place = urlsplit(asked.path)
        query = parse_qs(place.query)
        if place.path in self.without:
            return 404, {}
        if place.path == "/api/v1/policies":
            return 200, self.policies
        if place.path == "/events":
            after = int(query["since_event_id"][0])
            return 200, {"events": [e for e in self.events if e["event_id"] > after]}
        if place.path == "/api/v1/decisions":
            after = int(query["since_decision_id"][0])
            return 200, {"decisions": [d for d in self.decisions if d["decision_id"] > after]}
        return (200, METRICS) if place.path == "/metrics" else (404, {})


@pytest.fixture
def engine() -> Iterator[PolicyEngine]:
    stub = PolicyEngine()
    with stub.service:
        yield stub


async def looks(engine: PolicyEngine, times: int = 1) -> list[Found]:
    asking, cursor, found = Asking(), None, []
    monitor = PolicyEngineMonitor(asking, engine.service.url)
    for _ in range(times):
        found.append(await monitor.collect(cursor))
        cursor = found[-1].cursor or cursor
    await asking.close()
    return found


def event(number: int, kind: str, **details: Any) -> dict[str, Any]:
    return {
        "event_id": number,
        "timestamp": stamp(number),
        "event_type": kind,
        "details": details,
    }


@in_loop
async def test_policies_events_decisions_and_metrics_are_taken_once(engine: PolicyEngine) -> None:
    engine.events = [event(1, "POLICY_VERSION_UPDATED", version=2), {"event_type": "NO_NUMBER"}]
    engine.events = engine.events[:1]
    engine.decisions = [
        {
            "decision_id": 5,
            "timestamp": stamp(3),
            "policy_type": "client_eligibility",
            "allowed": False,
            "reason": "trust is too low",
            "client_id": "client-3",
            "rules": [{"id": "trust", "effect": "forbid"}],
        },
        {"decision_id": 6, "allowed": "yes"},
    ]
    first, second = await looks(engine, 2)
    assert first.state == PolicyEngineState("active", 1, None)
    version, decision = first.batch.events
    assert (version.source, version.kind, version.details) == (
        "policy",
        "POLICY_VERSION_UPDATED",
        {"version": 2},
    )
    assert (decision.kind, decision.node) == ("POLICY_DECISION", "client-3")
    assert decision.details == {
        "decision_id": 5,
        "policy_type": "client_eligibility",
        "allowed": False,
        "reason": "trust is too low",
        "rules": [{"id": "trust", "effect": "forbid"}],
    }
    assert figures(first) == {
        "policy_checks_total{result=allowed,service=policy_engine}": 12.0,
    }
    assert second.batch.events == []
    assert second.cursor is None


@in_loop
async def test_routes_that_it_lacks_are_not_missed(engine: PolicyEngine) -> None:
    engine.without = {"/events", "/api/v1/decisions", "/metrics"}
    (found,) = await looks(engine)
    assert found.batch.events == []
    assert figures(found) == {}
    assert found.state == PolicyEngineState("active", 1, None)


@pytest.mark.parametrize("policies", [[], "x", None, 5, b"<html>"])
@in_loop
async def test_who_has_no_policies_is_no_policy_engine(
    engine: PolicyEngine, policies: object
) -> None:
    engine.policies = policies
    with pytest.raises(ForeignAnswerError):
        await looks(engine)


@in_loop
async def test_one_without_that_route_is_none_either(engine: PolicyEngine) -> None:
    engine.without = {"/api/v1/policies"}
    with pytest.raises(ForeignAnswerError, match="404"):
        await looks(engine)


def test_policies_that_cannot_be_counted_are_not_known() -> None:
    assert policy_answers.active_policies({"policies": 3}) is None
    assert policy_answers.active_policies({"active_policies": 3}) == 3
    assert policy_answers.active_policies({"policies": []}) == 0


def test_events_a_minute_are_known_once_a_minute_was_watched() -> None:
    times = [0, MINUTE // 2, MINUTE, 2 * MINUTE]
    assert policy_answers.per_minute(times, 0, MINUTE - 1) is None
    assert policy_answers.per_minute(times, 0, MINUTE) == 3.0
    assert policy_answers.per_minute(times, 0, 2 * MINUTE) == 2.0
    assert policy_answers.per_minute([], 0, 10 * MINUTE) == 0.0
    assert policy_answers.per_minute([9 * MINUTE, 1], 0, 10 * MINUTE) == pytest.approx(0.2)
