"""API5:2023: what changes something is for those with the token, however it is asked."""

from __future__ import annotations

import pytest

from fedsight.door.endpoint import Endpoint
from tests.collector.server import JSON, Server
from tests.federated.api.asked import Asked
from tests.security.routes import (
    OF_COLLECTOR,
    OF_FEDERATION,
    OPEN,
    changes,
    named,
    path_of,
    paths,
    reads,
)
from tests.security.test_api2_broken_authentication import logged_in

#: What a page that logged in may change: beneath these, with its key.
OF_PAGES = ("/api/v1/services/", "/api/v1/alerts/", "/api/v1/silences")


@pytest.mark.parametrize("endpoint", changes(OF_COLLECTOR), ids=named)
def test_a_change_needs_the_token(server: Server, endpoint: Endpoint) -> None:
    path = path_of(endpoint)
    for headers in (JSON, {**JSON, "Authorization": "Bearer wrong"}, {"X-Forwarded-For": "::1"}):
        answer = server.http.request(endpoint.method, path, content=b"{}", headers=headers)
        assert answer.status_code == 401, answer.text


@pytest.mark.parametrize("endpoint", changes(OF_FEDERATION), ids=named)
def test_a_change_of_the_fl_server_needs_the_token(fl: Asked, endpoint: Endpoint) -> None:
    answer = fl.http.request(endpoint.method, path_of(endpoint), json={})
    assert answer.status_code == 401
    assert fl.get("/status")["status"] == "idle"


@pytest.mark.parametrize("endpoint", changes(OF_COLLECTOR), ids=named)
def test_a_cookie_alone_changes_nothing(server: Server, endpoint: Endpoint) -> None:
    cookie, key = logged_in(server)
    own = {**JSON, "Cookie": cookie, "Origin": server.url}
    path = path_of(endpoint)
    without_key = server.http.request(endpoint.method, path, content=b"{}", headers=own)
    assert without_key.status_code == 401
    shown = {**own, "Fedsight-Write-Key": key}
    with_key = server.http.request(endpoint.method, path, content=b"{}", headers=shown)
    assert (with_key.status_code == 401) != path.startswith(OF_PAGES)
    without_origin = {name: value for name, value in shown.items() if name != "Origin"}
    unnamed = server.http.request(endpoint.method, path, content=b"{}", headers=without_origin)
    assert unnamed.status_code == 401


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "POST", "TRACE", "CONNECTED"])
def test_another_method_opens_nothing(server: Server, method: str) -> None:
    served = {(one.method, path_of(one)) for one in OF_COLLECTOR}
    for path in paths(OF_COLLECTOR):
        if (method, path) in served:
            continue
        answer = server.http.request(method, path, content=b"{}", headers=JSON)
        assert answer.status_code in (400, 401, 404, 405), (method, path, answer.status_code)


@pytest.mark.parametrize(
    "header", ["X-HTTP-Method-Override", "X-Method-Override", "X-Original-URL", "X-Rewrite-URL"]
)
def test_no_header_makes_a_read_a_change(server: Server, header: str) -> None:
    value = "/api/v1/login" if header.endswith("URL") else "POST"
    answer = server.http.get("/api/v1/silences", headers={header: value})
    assert (answer.status_code, answer.json()["total"]) == (200, 0)


@pytest.mark.parametrize("endpoint", reads(OF_COLLECTOR), ids=named)
def test_beyond_loopback_a_read_needs_the_token_too(beyond: Server, endpoint: Endpoint) -> None:
    path = path_of(endpoint)
    for method in ("GET", "HEAD"):
        assert beyond.http.request(method, path).status_code == 401
    assert beyond.http.get(path, headers=beyond.bearer).status_code not in (401, 403)


@pytest.mark.parametrize("path", ["/", "/openapi.json", "/index.html", "/app.js", "/nowhere"])
def test_beyond_loopback_pages_and_the_document_need_it_too(beyond: Server, path: str) -> None:
    assert beyond.http.get(path).status_code == 401


@pytest.mark.parametrize(
    "path", ["//api/v1/runs", "/api/v1/runs/", "/API/v1/runs", "/login/../api/v1/runs", "/login/x"]
)
def test_beyond_loopback_no_spelling_of_a_path_is_open(beyond: Server, path: str) -> None:
    assert beyond.http.get(path).status_code == 401


def test_only_the_login_is_open_beyond_loopback(beyond: Server) -> None:
    for path in OPEN:
        answer = beyond.http.get(path)
        assert (answer.status_code, answer.json()["error"]["field"]) in ((401, "code"), (429, None))


def test_a_form_that_reads_changes_nothing(server: Server) -> None:
    before = server.get("/api/v1/runs")
    for endpoint in (one for one in OF_COLLECTOR if one.form):
        answer = server.http.post(path_of(endpoint), data={"query": "fl_accuracy"})
        assert answer.status_code in (200, 400, 422), answer.text
    assert server.get("/api/v1/runs") == before
