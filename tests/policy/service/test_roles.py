"""Who may ask for what, and what a token that no longer counts is worth."""

from __future__ import annotations

import time

import httpx
import pytest

from fedsight.errors import SettingsError
from tests.policy.service.conftest import ROLES
from tests.policy.service.served import GOOD, Served, files_of, write_tokens

ASKED = (
    ("POST", "/check/client_eligibility", dict(GOOD), set(ROLES)),
    ("POST", "/log/training_event", {"event_type": "X"}, {"operator", "admin"}),
    ("GET", "/events", None, set(ROLES)),
    ("GET", "/metrics", None, set(ROLES)),
    ("GET", "/api/v1/policies", None, set(ROLES)),
    ("GET", "/api/v1/trust", None, set(ROLES)),
    ("GET", "/api/v1/decisions", None, {"auditor", "admin"}),
    ("GET", "/api/v1/audit/verify", None, {"auditor", "admin"}),
    ("POST", "/api/v1/policies/validate", {"files": files_of()}, set(ROLES)),
    ("POST", "/api/v1/policies/replay", {"files": files_of()}, {"auditor", "admin"}),
    ("POST", "/api/v1/trust/a/reset", {"reason": "seen to"}, {"admin"}),
    ("PUT", "/api/v1/policies", {"files": files_of()}, {"admin"}),
)


def test_each_role_may_what_cedar_permits_it(served: Served) -> None:
    served.service.deciding.standings.book().note("a", "failed", time.time_ns())
    for method, path, body, may in ASKED:
        for role in ROLES:
            with served.client(f"t-{role}") as http:
                answer = http.request(method, path, json=body)
            expected = 200 if role in may else 403
            assert answer.status_code == expected, (role, method, path, answer.text)
            if expected == 403:
                assert role in answer.json()["error"]["message"]


def test_nobody_changes_anything_without_a_token(served: Served) -> None:
    with served.client(None) as http:
        for method, path, body, _ in ASKED:
            answer = http.request(method, path, json=body)
            assert answer.status_code == (200 if method == "GET" else 401), (method, path)


def test_an_observing_service_opens_no_route(served: Served) -> None:
    served.service.deciding.force.engine.observe = True
    with served.client("t-viewer") as http:
        assert http.put("/api/v1/policies", json={"files": files_of()}).status_code == 403
        said = http.post("/check/client_eligibility", json={}).json()
    assert said["allowed"]
    assert said["observed"]


def asks(served: Served, token: str) -> httpx.Response:
    with served.client(token) as http:
        return http.post("/check/client_eligibility", json=dict(GOOD))


def test_a_token_that_was_taken_away_or_expired_opens_nothing_when_it_is_shown_again(
    served: Served,
) -> None:
    assert asks(served, "t-admin").status_code == 200
    write_tokens(served.data, ("old", "admin expires=2020-01-01T00:00:00Z", "t-old"))
    assert asks(served, "t-admin").status_code == 401
    assert asks(served, "t-old").status_code == 401
    (served.data / "policy-tokens.toml").write_text("[[token]]\nname = 7\n")
    assert asks(served, "t-viewer").status_code == 401
    with served.client() as http:
        health = http.get("/health").json()
    assert health["components"]["tokens"]["status"] == "degraded"
    write_tokens(served.data, ("anna", "admin", "t-admin"))
    with served.client(None) as http:  # without a token: whoever is on this machine may read
        assert http.get("/health").json()["components"]["tokens"]["status"] == "healthy"
        assert http.get("/api/v1/decisions").status_code == 200
    with served.client("t-old") as http:  # one that does not count opens nothing, not even reading
        refused = http.get("/api/v1/decisions")
    assert (refused.status_code, refused.json()["error"]["code"]) == (401, "unauthorized")
    (served.data / "policy-tokens.toml").write_text("[[token]]\nname = 7\n")
    served.close()
    with pytest.raises(SettingsError, match="tokens"):
        Served(served.data)


def test_a_change_is_recorded_with_its_author_and_a_wrong_one_changes_nothing(
    served: Served,
) -> None:
    more = files_of(
        more='@id("more.rule")\n@reason("r")\nforbid (principal, action, resource) when { false };'
    )
    with served.client("t-admin") as http:
        before = http.get("/api/v1/policies").json()
        wrong = http.put("/api/v1/policies", json={"files": files_of(bad="permit (")})
        path = http.put("/api/v1/policies", json={"files": {"../x.cedar": ""}})
        late = http.put("/api/v1/policies", json={"files": more, "expected_version": "no"})
        assert [one.status_code for one in (wrong, path, late)] == [422, 422, 409]
        assert http.get("/api/v1/policies").json()["version"] == before["version"]
        told = http.post("/api/v1/policies/validate", json={"files": files_of(bad="permit (")})
        assert told.json()["faults"][0]["line"] == 1
        taken = http.put("/api/v1/policies", json={"files": more, "note": "more"}).json()
        assert http.get("/api/v1/policies").json()["version"] == taken["version"]
        kinds = [one["event_type"] for one in http.get("/events").json()["events"]]
        changes = http.get("/api/v1/decisions?action=changePolicy").json()["decisions"]
    assert "POLICY_VERSION_UPDATED" in kinds
    assert {one["principal"] for one in changes} == {"Operator::admin-name"}
    newest = served.service.deciding.force.versions.newest()
    assert newest is not None
    assert (newest.author, newest.note) == ("admin-name", "more")
