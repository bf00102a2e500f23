"""Events and decisions by cursor, as our own collector reads them; and files edited on disk."""

from __future__ import annotations

import asyncio
import time

import msgspec

from fedsight.collector.monitors.asking import Asking
from fedsight.collector.monitors.policy_engine import PolicyEngineMonitor
from tests.policy.service.served import GOOD, Served


def test_an_event_is_logged_once_and_another_under_its_key_is_refused(served: Served) -> None:
    told = {"event_type": "ROUND_COMPLETED", "event_id": "r-1/1", "details": {"a": [1, None]}}
    with served.client() as http:
        first = http.post("/log/training_event", json=told).json()
        again = http.post("/log/training_event", json=told).json()
        other = http.post("/log/training_event", json={**told, "details": {}})
        keyed = [
            http.post(
                "/log/training_event", json={"event_type": "X"}, headers={"Idempotency-Key": "k"}
            ).json()
            for _ in range(2)
        ]
        found = http.get("/events").json()
        rest = http.get("/events", params={"since_event_id": first["event_id"]}).json()
        page = http.get("/events?limit=1").json()
        wrong = http.get("/events?since_event_id=-1").status_code
    assert again == {**first, "duplicate": True}
    assert other.status_code == 409
    assert keyed[0]["event_id"] == keyed[1]["event_id"]
    assert [one["event_type"] for one in found["events"]] == ["ROUND_COMPLETED", "X"]
    assert [one["event_type"] for one in rest["events"]] == ["X"]
    assert len(page["events"]) == 1
    assert wrong == 422


def test_decisions_are_filtered_and_paged(served: Served) -> None:
    with served.client() as http:
        for name, trust in (("a", 0.9), ("b", 0.1), ("a", 0.2)):
            body = {**GOOD, "client_id": name, "trust_score": trust}
            http.post("/check/client_eligibility", json=body)

        def found(query: str) -> list[str]:
            rows = http.get(f"/api/v1/decisions?{query}").json()["decisions"]
            return [f"{one['client_id']} {one['allowed']}" for one in rows]

        assert found("") == ["a False", "b False", "a True"]
        assert found("client=a&allowed=false") == ["a False"]
        assert found("rule=client.trust-too-low") == ["a False", "b False"]
        assert found("limit=1&offset=1") == ["b False"]
        assert found("since_decision_id=0&limit=2") == ["a True", "b False"]
        assert found("action=train") == []
        assert "policy_decisions_total" in http.get("/metrics").text


def test_our_collector_understands_it(served: Served) -> None:
    async def collected() -> tuple[list[str], list[str], str]:
        asking = Asking()
        try:
            monitor = PolicyEngineMonitor(asking, served.address)
            first = await monitor.collect(None)
            with served.client() as own:
                own.post("/check/client_eligibility", json={**GOOD, "trust_score": 0.1})
                own.post("/log/training_event", json={"event_type": "NOTE"})
                own.get("/api/v1/audit/verify")  # signs a head
            second = await monitor.collect(first.cursor)
            third = await monitor.collect(second.cursor)
        finally:
            await asking.close()
        kinds = [[one.kind for one in each.batch.events] for each in (second, third)]
        return kinds[0], kinds[1], msgspec.json.encode(second.state).decode()

    second, third, state = asyncio.run(collected())
    assert sorted(second) == ["AUDIT_ANCHOR", "NOTE", "POLICY_DECISION"]
    assert third == []
    assert '"active"' in state


def test_edited_files_are_taken_while_it_runs_and_wrong_ones_are_not(served: Served) -> None:
    def allowed() -> bool:
        with served.client() as http:
            return bool(http.post("/check/client_eligibility", json=dict(GOOD)).json()["allowed"])

    limits = served.rules / "federation.toml"
    written = limits.read_text()
    assert allowed()
    limits.write_text(written.replace("min_trust = 0.4", "min_trust = 0.95"))
    end = time.monotonic() + 10
    while allowed():
        assert time.monotonic() < end
        time.sleep(0.02)
    limits.write_text("name = ")
    with served.client() as http:
        while http.get("/health").json()["status"] == "healthy":
            assert time.monotonic() < end
            time.sleep(0.02)
    assert not allowed()
