"""Requests that are passed on: to a fixed list, by whom, with what, and what of the answer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from fedsight.collector.options import CollectorOptions
from fedsight.config import FL_SERVER_URL
from fedsight.config.ports import FORECAST_URL, POLICY_ENGINE_URL
from tests.collector.server import JSON, Server
from tests.collector.stub_service import Asked, Said, StubService

FL = "/api/v1/services/fl"


def echo(asked: Asked) -> Said:
    return 200, {"path": asked.path, "body": asked.body.decode()}


@pytest.fixture(scope="module")
def stub() -> Iterator[StubService]:
    with StubService(echo) as running:
        yield running


@pytest.fixture(scope="module")
def collector(stub: StubService, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    data = tmp_path_factory.mktemp("passing")
    urls = {"fl_server_url": stub.url, "forecast_url": stub.url, "policy_url": stub.url}
    with Server(data, **urls, refused_burst=1000) as running:
        yield running


@pytest.fixture(autouse=True)
def fresh(stub: StubService, collector: Server) -> None:
    stub.asked.clear()
    stub.script = echo
    collector.http.cookies.clear()


def logged_in(server: Server) -> dict[str, str]:
    """The cookie, key and origin of a page that logged in."""
    reply = server.http.post("/api/v1/login", headers={**server.bearer, **JSON})
    address = reply.json()["address"]
    assert address.startswith(f"{server.url}/login?code=")
    answer = server.http.get(address)
    server.http.cookies.clear()
    cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "samesite=strict" in cookie.lower()
    place, _, key = answer.headers["Location"].partition("?write=")
    assert place == "/#/runs"
    return {
        **JSON,
        "Origin": server.url,
        "Cookie": cookie.partition(";")[0],
        "Fedsight-Write-Key": key,
    }


def code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


def test_a_read_goes_to_the_service_with_its_own_parameters(
    collector: Server, stub: StubService
) -> None:
    found = collector.get(f"{FL}/models", params={"run": "r-1", "limit": "5"})
    assert found["path"] == "/models?limit=5&run=r-1" or found["path"] == "/models?run=r-1&limit=5"


def test_nothing_of_the_caller_is_passed_on(collector: Server, stub: StubService) -> None:
    mine = {"Cookie": "a=b", "X-Forwarded-For": "9.9.9.9", "Authorization": "Bearer mine"}
    collector.get(f"{FL}/status", headers=mine)
    sent = stub.asked[-1].headers
    assert not {"cookie", "x-forwarded-for", "authorization", "origin"} & set(sent)
    assert sent["host"] == stub.url.removeprefix("http://")


@pytest.mark.parametrize(
    "path", ["fl/openapi.json", "fl/register", "fl/clients/..%2fstatus", "sdn/status", "fl/"]
)
def test_what_is_not_on_the_list_is_not_reached(
    collector: Server, stub: StubService, path: str
) -> None:
    answer = collector.http.get(f"/api/v1/services/{path}")
    assert code(answer) == (404, "not_found")
    assert stub.asked == []


def test_a_parameter_of_another_route_is_refused(collector: Server) -> None:
    answer = collector.http.get(f"{FL}/status", params={"run": "r-1"})
    assert (answer.status_code, answer.json()["error"]["field"]) == (422, "run")
    answer = collector.http.get(f"{FL}/models", params={"url": "http://evil.example"})
    assert (answer.status_code, answer.json()["error"]["field"]) == (422, "url")


def test_a_page_that_logged_in_may_change_something(collector: Server, stub: StubService) -> None:
    page = logged_in(collector)
    answer = collector.http.post(f"{FL}/pause", headers=page, content=b'{"reason": "lunch"}')
    assert answer.json() == {"path": "/pause", "body": '{"reason": "lunch"}'}
    sent = stub.asked[-1].headers
    assert sent["authorization"] == f"Bearer {collector.token}"
    assert "cookie" not in sent
    assert "fedsight-write-key" not in sent
    found = collector.get("/api/v1/session", headers=page)
    assert found["may_write"] is True
    assert found["until"].endswith("Z")


@pytest.mark.parametrize("without", ["Cookie", "Fedsight-Write-Key", "Origin"])
def test_a_page_needs_cookie_key_and_origin(
    collector: Server, stub: StubService, without: str
) -> None:
    page = {name: value for name, value in logged_in(collector).items() if name != without}
    assert code(collector.http.post(f"{FL}/stop", headers=page)) == (401, "unauthorized")
    assert stub.asked == []


def test_another_sites_page_cannot_even_with_both(collector: Server, stub: StubService) -> None:
    for origin in ("https://evil.example", "null", "http://127.0.0.1:1"):
        page = {**logged_in(collector), "Origin": origin}
        assert code(collector.http.post(f"{FL}/stop", headers=page)) == (403, "origin")
    form = {**logged_in(collector), "Content-Type": "text/plain"}
    assert code(collector.http.post(f"{FL}/stop", headers=form)) == (415, "content_type")
    rebound = {**logged_in(collector), "Host": "evil.example", "Origin": "http://evil.example"}
    assert code(collector.http.post(f"{FL}/stop", headers=rebound)) == (403, "host")
    assert stub.asked == []


def test_the_key_of_one_login_does_not_go_with_the_cookie_of_another(collector: Server) -> None:
    one, other = logged_in(collector), logged_in(collector)
    mixed = {**one, "Fedsight-Write-Key": other["Fedsight-Write-Key"]}
    assert code(collector.http.post(f"{FL}/stop", headers=mixed)) == (401, "unauthorized")
    assert collector.get("/api/v1/session", headers=mixed)["may_write"] is False


def test_a_page_may_change_nothing_else(collector: Server) -> None:
    page = logged_in(collector)
    empty = b'{"journal": "x", "first_seq": 1, "oldest_seq": 1, "records": []}'
    answer = collector.http.post("/api/v1/ingest", headers=page, content=empty)
    assert code(answer) == (401, "unauthorized")
    assert code(collector.http.post("/api/v1/login", headers=page)) == (401, "unauthorized")


def test_whoever_has_the_token_needs_no_page(collector: Server, stub: StubService) -> None:
    headers = {**collector.bearer, **JSON}
    assert collector.http.post(f"{FL}/resume", headers=headers).status_code == 200
    assert (stub.asked[-1].path, stub.asked[-1].body) == ("/resume", b"{}")


@pytest.mark.parametrize("body", [b"[1]", b"{", b"\xff", b'"stop"'])
def test_a_body_is_a_json_object(collector: Server, stub: StubService, body: bytes) -> None:
    headers = {**collector.bearer, **JSON}
    answer = collector.http.post(f"{FL}/stop", headers=headers, content=body)
    assert code(answer) == (400, "json")
    long = b'{"reason": "' + b"x" * 70_000 + b'"}'
    assert code(collector.http.post(f"{FL}/stop", headers=headers, content=long))[0] == 413
    assert stub.asked == []


def answering(status: int, said: Any) -> Any:
    return lambda _: (status, said)


def test_an_error_of_the_service_is_passed_on_as_it_is(
    collector: Server, stub: StubService
) -> None:
    refusal = {"error": {"code": "conflict", "message": "nothing trains"}}
    stub.script = answering(409, refusal)
    answer = collector.http.post(f"{FL}/pause", headers={**collector.bearer, **JSON})
    assert (answer.status_code, answer.json()) == (409, refusal)


@pytest.mark.parametrize(
    ("status", "said", "wanted"),
    [(401, {}, "service_refused"), (302, {}, "service_answer"), (200, b"x", "service_answer")],
)
def test_what_is_no_answer_of_our_service_is_502(
    collector: Server, stub: StubService, status: int, said: Any, wanted: str
) -> None:
    stub.script = answering(status, b" " * (9 * 2**20) if said == b"x" else said)
    answer = collector.http.get(f"{FL}/status")
    assert code(answer) == (502, wanted)


def test_a_program_that_does_not_speak_json_is_502(tmp_path: Path) -> None:
    with (
        StubService(answering(200, b"<html>"), "text/html") as other,
        Server(tmp_path, fl_server_url=other.url) as running,
    ):
        answer = running.http.get(f"{FL}/status")
        assert code(answer) == (502, "service_answer")
        assert "is it our FL server?" in answer.json()["error"]["message"]


def test_a_service_that_is_away_is_502_with_what_starts_it(tmp_path: Path) -> None:
    with StubService(echo) as gone:
        pass
    with Server(tmp_path, fl_server_url=gone.url) as running:
        state = running.get("/api/v1/services")["services"][0]
        assert (state["name"], state["answers"]) == ("fl", False)
        assert "`fedsight serve federation` starts one" in state["error"]
        answer = running.http.get(f"{FL}/status")
        assert code(answer) == (502, "service_away")
        message = answer.json()["error"]["message"]
        assert message == (
            f"no FL server answers at {gone.url}; `fedsight serve federation` starts one"
        )


def test_a_service_is_where_the_port_table_has_it() -> None:
    options = CollectorOptions(Path("x"))
    assert (options.fl_server_url, options.forecast_url) == (FL_SERVER_URL, FORECAST_URL)
    assert options.policy_url == POLICY_ENGINE_URL


def test_a_service_that_answers_is_said_to(collector: Server) -> None:
    there = {"answers": True, "error": None}
    known = [{"name": "fl", "what": "FL server"}, {"name": "forecast", "what": "forecaster"}]
    known.append({"name": "policy", "what": "policy service"})
    assert collector.get("/api/v1/services") == {"services": [one | there for one in known]}


def test_what_the_forecaster_knows_is_read_and_nothing_else(collector: Server) -> None:
    forecaster = "/api/v1/services/forecast"
    for route in (
        "forecast",
        "forecast/quality?limit=5&offset=0&node=n-1&metric=m",
        "forecast/n-1?metric=power_consumption&horizon=10",
    ):
        assert collector.get(f"{forecaster}/{route}")["path"] == f"/{route}"
    for path in ("metrics", "forecast/n-1/more", "forecast/..", "forecast?node=n-1"):
        assert collector.http.get(f"{forecaster}/{path}").status_code in (404, 422)
    answer = collector.http.post(f"{forecaster}/forecast", headers=logged_in(collector))
    assert answer.status_code == 404


def test_without_a_login_a_browser_is_told_the_command(collector: Server) -> None:
    found = collector.get("/api/v1/session")
    assert found == {"may_write": False, "until": None, "command": "fedsight login"}
