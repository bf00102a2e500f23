"""API6:2023: the flows that matter (steering a run, silencing, exporting, logging in) are not for
another site's page, not for a script in a loop, and not for two at one time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from fedsight.door.times import now_ns, rfc3339
from tests.collector.server import JSON, Server
from tests.collector.stub_service import StubService
from tests.federated.api.asked import BEARER, Asked
from tests.security.test_api2_broken_authentication import logged_in

SOON = rfc3339(now_ns() + 3600 * 10**9)
SILENCE = {"matchers": [{"label": "run", "value": "r"}], "ends": SOON}
FLOWS: list[tuple[str, Any]] = [
    ("/api/v1/services/fl/stop", {}),
    ("/api/v1/services/fl/start", {}),
    ("/api/v1/services/fl/models/r-1/1/promote", {}),
    ("/api/v1/silences", SILENCE),
    ("/api/v1/alerts/1/acknowledge", {"by": "ann"}),
    ("/api/v1/export", {}),
    ("/api/v1/login", {}),
]


@pytest.mark.parametrize(("path", "body"), FLOWS)
def test_another_sites_page_begins_no_flow(server: Server, path: str, body: Any) -> None:
    cookie, key = logged_in(server)
    for origin in ("https://evil.example", "null", server.url.replace("127.0.0.1", "localhost")):
        headers = {"Cookie": cookie, "Fedsight-Write-Key": key, "Origin": origin}
        answer = server.http.post(path, json=body, headers=headers)
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "origin")


@pytest.mark.parametrize(("path", "body"), FLOWS)
def test_a_form_of_another_site_begins_no_flow(server: Server, path: str, body: Any) -> None:
    cookie, _ = logged_in(server)
    for kind in ("application/x-www-form-urlencoded", "multipart/form-data", "text/plain"):
        headers = {**server.bearer, "Cookie": cookie, "Content-Type": kind}
        answer = server.http.post(path, content=b'{"by": "x"}', headers=headers)
        assert answer.status_code == 415


def test_steering_asks_the_fl_server_with_a_login_and_never_without(tmp_path: Path) -> None:
    with (
        StubService(lambda _: (202, {"run": "r-1"})) as fl_server,
        Server(tmp_path, fl_server_url=fl_server.url, monitors={"fl_server_url": None}) as server,
    ):
        cookie, key = logged_in(server)
        path = "/api/v1/services/fl/stop"
        own = {**JSON, "Cookie": cookie, "Origin": server.url}
        assert server.http.post(path, content=b"{}", headers=own).status_code == 401
        assert [one for one in fl_server.asked if one.method == "POST"] == []
        shown = {**own, "Fedsight-Write-Key": key}
        assert server.http.post(path, content=b"{}", headers=shown).status_code == 202
        (passed,) = [one for one in fl_server.asked if one.method == "POST"]
        assert "cookie" not in passed.headers
        assert "fedsight-write-key" not in passed.headers


def test_one_run_at_a_time(fl: Asked) -> None:
    assert fl.http.post("/start", json={}, headers=BEARER).status_code == 202
    assert fl.http.post("/start", json={}, headers=BEARER).status_code == 409


def test_login_codes_do_not_pile_up(tmp_path: Path) -> None:
    with Server(tmp_path, refused_burst=100) as server:
        codes = []
        for _ in range(20):
            answer = server.http.post("/api/v1/login", headers={**JSON, **server.bearer})
            codes.append(answer.json()["address"].rpartition("=")[2])
        assert server.http.get("/login", params={"code": codes[0]}).status_code == 401
        assert server.http.get("/login", params={"code": codes[-1]}).status_code == 303


def test_exports_are_asked_for_within_bounds(tmp_path: Path) -> None:
    with Server(tmp_path) as server:
        codes = {
            server.http.post("/api/v1/export", json={}, headers=server.bearer).status_code
            for _ in range(200)
        }
    assert codes <= {202, 429}


def test_silences_are_bounded_in_number_and_time(tmp_path: Path) -> None:
    with Server(tmp_path) as server, httpx.Client(base_url=server.url, trust_env=False) as client:
        last = client.post("/api/v1/silences", json=SILENCE, headers=server.bearer)
        for _ in range(500):
            last = client.post("/api/v1/silences", json=SILENCE, headers=server.bearer)
        assert (last.status_code, last.json()["error"]["code"]) == (409, "too_many_silences")
        forever = SILENCE | {"ends": "2199-01-01T00:00:00Z"}
        answer = client.post("/api/v1/silences", json=forever, headers=server.bearer)
        assert answer.status_code == 422
