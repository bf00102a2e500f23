"""Requests passed on to the policy service: with whose token, how much, and its answers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fedsight.cli.collector_options import collector_options
from fedsight.config import load
from fedsight.errors import SettingsError
from tests.collector.http.test_services import code, echo, logged_in
from tests.collector.server import Server
from tests.collector.stub_service import Asked, Said, StubService

POLICY = "/api/v1/services/policy/api/v1"
TOKEN = "an-auditors-token"


@pytest.fixture(scope="module")
def stub() -> Iterator[StubService]:
    with StubService(echo) as running:
        yield running


@pytest.fixture(scope="module")
def collector(stub: StubService, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    data = tmp_path_factory.mktemp("passing")
    with Server(data, policy_url=stub.url, policy_token=TOKEN, refused_burst=1000) as running:
        yield running


@pytest.fixture(autouse=True)
def fresh(stub: StubService) -> None:
    stub.asked.clear()
    stub.script = echo


def test_reading_and_changing_show_the_named_token(collector: Server, stub: StubService) -> None:
    found = collector.get(f"{POLICY}/decisions", params={"client": "a", "allowed": "false"})
    assert found["path"] == "/api/v1/decisions?client=a&allowed=false"
    body = b'{"files": {}}'
    answer = collector.http.put(f"{POLICY}/policies", headers=logged_in(collector), content=body)
    assert answer.json() == {"path": "/api/v1/policies", "body": body.decode()}
    assert {one.headers["authorization"] for one in stub.asked} == {f"Bearer {TOKEN}"}
    assert [one.method for one in stub.asked] == ["GET", "PUT"]


def test_a_change_needs_a_page_that_logged_in(collector: Server, stub: StubService) -> None:
    for method, path in (
        ("PUT", "policies"),
        ("POST", "trust/a/reset"),
        ("POST", "policies/replays"),
    ):
        headers = {"Content-Type": "application/json"}
        answer = collector.http.request(method, f"{POLICY}/{path}", headers=headers, content=b"{}")
        assert code(answer) == (401, "unauthorized")
        elsewhere = {**logged_in(collector), "Origin": "https://evil.example"}
        answer = collector.http.request(
            method, f"{POLICY}/{path}", headers=elsewhere, content=b"{}"
        )
        assert code(answer) == (403, "origin")
    assert stub.asked == []


def test_a_body_has_its_limit(collector: Server, stub: StubService) -> None:
    page, long = logged_in(collector), b'{"a": "' + b"x" * 2**17 + b'"}'
    assert collector.http.put(f"{POLICY}/policies", headers=page, content=long).status_code == 200
    answer = collector.http.post(f"{POLICY}/policies/rollback", headers=page, content=long)
    assert code(answer) == (413, "too_large")
    longer = b'{"a": "' + b"x" * (4 * 2**20) + b'"}'
    answer = collector.http.put(f"{POLICY}/policies", headers=page, content=longer)
    assert code(answer) == (413, "too_large")


def test_what_its_rules_refuse_is_said_in_its_words(collector: Server, stub: StubService) -> None:
    said = {"error": {"code": "forbidden", "message": "anna may not changePolicy", "field": None}}
    stub.script = lambda _: (403, said)
    answer = collector.http.put(f"{POLICY}/policies", headers=logged_in(collector), content=b"{}")
    assert (answer.status_code, answer.json()) == (403, said)
    stub.script = lambda _: (401, said)
    answer = collector.http.get(f"{POLICY}/policies")
    assert code(answer) == (502, "service_refused")
    assert "does not take the token that it is shown" in answer.json()["error"]["message"]


@pytest.mark.parametrize("path", ["check", "check/batch", "../health", "policies/a/b", "metrics"])
def test_nothing_else_is_reached(collector: Server, stub: StubService, path: str) -> None:
    for method in ("GET", "POST"):
        headers = logged_in(collector)
        answer = collector.http.request(method, f"{POLICY}/{path}", headers=headers, content=b"{}")
        assert answer.status_code in (404, 405)
    assert stub.asked == []


def told(asked: Asked) -> Said:
    return 200, {"shown": asked.headers.get("authorization")}


def test_without_a_token_of_its_own_reading_shows_none(tmp_path: Path) -> None:
    with StubService(told) as stub, Server(tmp_path, policy_url=stub.url) as server:
        assert server.get(f"{POLICY}/trust") == {"shown": None}
        answer = server.http.put(f"{POLICY}/policies", headers=logged_in(server), content=b"{}")
        assert answer.json() == {"shown": f"Bearer {server.token}"}


@pytest.mark.parametrize(
    ("named", "lacks"),
    [({}, "services.policy_token_file"), ({"policy_token": TOKEN}, "in the clear")],
)
def test_another_machine_gets_no_token_of_ours_nor_one_in_the_clear(
    tmp_path: Path, named: dict[str, Any], lacks: str
) -> None:
    with Server(tmp_path, policy_url="http://192.0.2.1:5000", **named) as server:
        answer = server.http.get(f"{POLICY}/trust")
        assert code(answer) == (502, "service_refused")
        assert lacks in answer.json()["error"]["message"]


def test_the_settings_name_the_file_of_the_token(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "policy-token"
    monkeypatch.setenv("POLICY_TOKEN_FILE", str(file))
    monkeypatch.setenv("POLICY_ENGINE_URL", "http://127.0.0.1:5999")
    file.write_text(f"{TOKEN}\n")
    options = collector_options(load(None))
    assert (options.policy_url, options.policy_token) == ("http://127.0.0.1:5999", TOKEN)
    assert TOKEN not in repr(options)
    file.write_text("two tokens\n")
    with pytest.raises(SettingsError, match=r"services\.policy_token_file"):
        collector_options(load(None))
