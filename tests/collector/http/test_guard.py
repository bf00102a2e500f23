"""The door, from outside: each request is one that a browser, a script or an attacker may send."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from fedsight.collector.options import CollectorOptions
from fedsight.door.guard import host_name
from tests.collector.server import JSON, Server

INGEST = "/api/v1/ingest"
EMPTY = b'{"journal": "door", "first_seq": 1, "oldest_seq": 1, "records": []}'


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "", "[", "0.0.0.0"])
def test_a_foreign_host_is_refused(server: Server, host: str) -> None:
    answer = server.http.get("/api/v1/runs", headers={"Host": host})
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "host")


@pytest.mark.parametrize("host", ["localhost:8083", "LOCALHOST", "[::1]:80", "127.0.0.1"])
def test_every_name_of_loopback_is_let_in(server: Server, host: str) -> None:
    assert server.http.get("/api/v1/runs", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://127.0.0.1:1", "http://["]
)
def test_another_sites_page_cannot_change_anything(server: Server, origin: str) -> None:
    answer = server.post(EMPTY, Origin=origin)
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "origin")


def test_our_own_page_can(server: Server) -> None:
    assert server.post(EMPTY, Origin=server.url).status_code == 200


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", ""])
def test_only_json_is_taken_in(server: Server, kind: str) -> None:
    answer = server.post(EMPTY, **{"Content-Type": kind})
    assert (answer.status_code, answer.json()["error"]["field"]) == (415, "Content-Type")


def test_json_with_a_charset_is_json(server: Server) -> None:
    answer = server.post(EMPTY, **{"Content-Type": "application/json; charset=utf-8"})
    assert answer.status_code == 200


def test_ingest_without_the_token_is_refused(server: Server) -> None:
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": server.token}):
        answer = server.http.post(INGEST, content=EMPTY, headers={**JSON, **headers})
        assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Bearer")


def test_every_answer_carries_the_security_headers(server: Server) -> None:
    for path in ("/", "/health", "/nowhere", "/api/v1/runs?limit=0"):
        headers = server.http.get(path).headers
        assert "default-src 'self'" in headers["Content-Security-Policy"]
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert "Access-Control-Allow-Origin" not in headers
    assert server.http.get("/health").headers["Cache-Control"] == "no-store"
    refused = server.http.get("/", headers={"Host": "evil.example"})
    assert refused.headers["X-Content-Type-Options"] == "nosniff"


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    limits = {"body_bytes": 1000, "ingest_rate": 0.01, "ingest_burst": 5, "refused_burst": 3}
    with Server(tmp_path_factory.mktemp("strict"), refused_rate=0.01, **limits) as running:
        yield running


def test_a_body_too_large_is_413_whether_it_says_its_length_or_not(strict: Server) -> None:
    large = b" " * 1001
    assert strict.post(large).status_code == 413
    headers = {**JSON, **strict.bearer}
    chunked = strict.http.post(INGEST, content=iter([large[:500], large[500:]]), headers=headers)
    assert (chunked.status_code, chunked.json()["error"]["code"]) == (413, "too_large")


def test_too_many_shipments_are_429_with_the_time_to_wait(strict: Server) -> None:
    answers = [strict.post(EMPTY) for _ in range(6)]
    assert answers[-1].status_code == 429
    assert 0 < int(answers[-1].headers["Retry-After"]) <= 100


def test_failed_authentication_is_slowed_but_locks_nobody_out(strict: Server) -> None:
    wrong = {**JSON, "Authorization": "Bearer wrong"}
    codes = [strict.http.post(INGEST, content=EMPTY, headers=wrong).status_code for _ in range(5)]
    assert codes == [401, 401, 401, 429, 429]
    assert strict.http.get("/api/v1/runs").status_code == 200
    assert strict.post(EMPTY).status_code in (200, 429)
    assert strict.post(EMPTY).json()["error"]["message"] == "too many requests to store"


@pytest.fixture
def beyond(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    data = tmp_path_factory.mktemp("beyond")
    with Server(data, host="0.0.0.0", hosts=["lab.example"]) as running:
        running.http.close()
        port = running.url.rpartition(":")[2]
        running.http = httpx.Client(
            base_url=f"http://127.0.0.1:{port}", trust_env=False, headers={"Host": "lab.example"}
        )
        yield running


def test_beyond_loopback_everything_needs_the_token(beyond: Server) -> None:
    assert beyond.line.startswith("listening on http://lab.example:")
    for path in ("/", "/health", "/api/v1/runs", "/openapi.json", "/nowhere"):
        assert beyond.http.get(path).status_code == 401
    assert beyond.http.get("/api/v1/runs", headers=beyond.bearer).status_code == 200


def test_the_login_address_works_once_and_gives_a_cookie(beyond: Server) -> None:
    assert beyond.process.stderr is not None
    line = beyond.process.stderr.readline().strip()
    assert line == f"requests need the token in {beyond.data}/token"
    line = beyond.process.stderr.readline()
    assert line.startswith("log in once at http://lab.example:")
    code = line.strip().rpartition("=")[2]
    assert "nothing here is encrypted" in beyond.process.stderr.readline()
    answer = beyond.http.get("/login", params={"code": code})
    cookie = answer.headers["Set-Cookie"]
    assert answer.status_code == 303
    assert answer.headers["Location"].startswith("/#/runs?write=")
    assert "HttpOnly" in cookie
    assert "Secure" not in cookie
    assert "samesite=strict" in cookie.lower()
    session = {"Cookie": cookie.partition(";")[0]}
    assert beyond.http.get("/api/v1/runs", headers=session).status_code == 200
    forged = {"Cookie": session["Cookie"][:-1] + "x"}
    beyond.http.cookies.clear()
    assert beyond.http.get("/api/v1/runs", headers=forged).status_code == 401
    again = beyond.http.get("/login", params={"code": code})
    assert (again.status_code, again.json()["error"]["field"]) == (401, "code")
    changed = beyond.http.post(INGEST, content=EMPTY, headers={**JSON, **session})
    assert changed.status_code == 401
    assert "log in once at" in beyond.process.stderr.readline()


def test_through_a_proxy_on_loopback_reads_need_a_login(tmp_path: Path) -> None:
    with Server(tmp_path, hosts=["lab.example"]) as running:
        assert running.http.get("/api/v1/runs").status_code == 200
        through = {"Host": "lab.example"}
        for path in ("/", "/health", "/api/v1/runs"):
            assert running.http.get(path, headers=through).status_code == 401
        assert running.http.get("/health", headers={"Host": "other.example"}).status_code == 403
        assert running.process.stderr is not None
        assert running.process.stderr.readline().startswith("requests need the token in ")
        line = running.process.stderr.readline()
        assert line.startswith("log in once at https://lab.example/login?code=")
        code = {"code": line.strip().rpartition("=")[2]}
        answer = running.http.get("/login", params=code, headers=through)
        assert "Secure" in answer.headers["Set-Cookie"]
        session = {**through, "Cookie": answer.headers["Set-Cookie"].partition(";")[0]}
        assert running.http.get("/api/v1/runs", headers=session).status_code == 200
        page = {**through, "Origin": "https://lab.example"}
        assert running.post(EMPTY, **page).status_code == 200


def test_host_name_drops_port_and_case() -> None:
    assert [host_name(h) for h in ("A.b:1", "[::1]:80", "x.", "", "[")] == [
        "a.b",
        "::1",
        "x",
        "",
        "",
    ]


def test_loopback_is_told_from_the_rest() -> None:
    hosts = {"127.0.0.1": True, "::1": True, "localhost": True, "0.0.0.0": False, "lab": False}
    assert {h: CollectorOptions(Path("x"), host=h).loopback for h in hosts} == hosts
