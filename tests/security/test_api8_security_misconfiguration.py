"""API8:2023: what nobody configured is safe, and every answer says so to browsers."""

from __future__ import annotations

import socket
import stat
from pathlib import Path

import pytest

from fedsight.collector.options import CollectorOptions
from fedsight.config import load
from fedsight.door.endpoint import Endpoint
from fedsight.federated.api.options import FederationOptions
from tests.collector.server import Server
from tests.federated.api.asked import Asked
from tests.security.routes import OF_COLLECTOR, OF_FEDERATION, named, path_of, reads

HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
FOREIGN = ("evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "", "0.0.0.0", "[")


def test_everything_binds_to_this_machine_by_default(tmp_path: Path) -> None:
    file = tmp_path / "empty.toml"
    file.touch()
    settings = load(file)
    assert settings.collector.host == settings.federation.host == "127.0.0.1"
    assert CollectorOptions(tmp_path).loopback
    assert FederationOptions(tmp_path).loopback


def test_what_is_on_disk_is_the_owners_alone(server: Server, tmp_path: Path) -> None:
    with Server(tmp_path / "fresh" / "data") as fresh:
        assert stat.S_IMODE(fresh.data.stat().st_mode) == 0o700
        assert stat.S_IMODE((fresh.data / "token").stat().st_mode) == 0o600


@pytest.mark.parametrize("endpoint", reads(OF_COLLECTOR), ids=named)
def test_every_answer_has_the_headers(server: Server, endpoint: Endpoint) -> None:
    for path in (path_of(endpoint), f"{path_of(endpoint)}?odd=1"):
        answer = server.http.get(path)
        assert HEADERS.items() <= dict(answer.headers.items()).items() or all(
            answer.headers[name] == value for name, value in HEADERS.items()
        )
        assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
        assert "unsafe" not in answer.headers["Content-Security-Policy"]
        assert answer.headers["Cache-Control"] in ("no-store", "no-cache")
        for leaky in ("Server", "X-Powered-By", "Access-Control-Allow-Origin"):
            assert leaky not in answer.headers


@pytest.mark.parametrize("host", FOREIGN)
@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "POST", "PUT", "DELETE"])
def test_host_is_checked_on_every_method(server: Server, host: str, method: str) -> None:
    answer = server.http.request(method, "/api/v1/runs", headers={"Host": host})
    assert answer.status_code == 403


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "POST", "PUT", "DELETE"])
def test_origin_is_checked_on_every_method(server: Server, method: str) -> None:
    for origin in ("https://evil.example", "null", "file://", "http://127.0.0.1:1"):
        answer = server.http.request(method, "/api/v1/runs", headers={"Origin": origin})
        assert answer.status_code == 403
        assert "Access-Control-Allow-Origin" not in answer.headers


def test_host_and_origin_are_checked_on_the_live_stream(server: Server) -> None:
    port = int(server.url.rpartition(":")[2])
    for name, value in (("Host", "evil.example"), ("Origin", "https://evil.example")):
        headers = {
            "Host": f"127.0.0.1:{port}",
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
            "Sec-WebSocket-Version": "13",
            name: value,
        }
        lines = "".join(f"{key}: {text}\r\n" for key, text in headers.items())
        with socket.create_connection(("127.0.0.1", port), 5) as plain:
            plain.sendall(f"GET /ws/metrics HTTP/1.1\r\n{lines}\r\n".encode())
            assert plain.recv(4096).startswith(b"HTTP/1.1 403")


def test_a_preflight_is_never_answered_with_leave(server: Server) -> None:
    headers = {
        "Origin": "https://evil.example",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization",
    }
    answer = server.http.options("/api/v1/ingest", headers=headers)
    assert answer.status_code == 403
    assert not any(name.lower().startswith("access-control") for name in answer.headers)


@pytest.mark.parametrize(
    "path",
    ["/api/v1/runs/%00", "/nowhere", "/api/v1/query?name=a&labels=(", "/api/v1/runs?limit=x"],
)
def test_an_error_tells_nothing_of_the_inside(server: Server, path: str) -> None:
    answer = server.http.get(path)
    assert 400 <= answer.status_code < 500
    for inside in ("Traceback", "/src/", ".py", "sqlite3", str(server.data)):
        assert inside not in answer.text
    assert answer.json()["error"]["code"]


def test_what_is_no_http_is_refused_and_nothing_breaks(server: Server) -> None:
    port = int(server.url.rpartition(":")[2])
    host = f"Host: 127.0.0.1:{port}\r\n"
    for raw in (
        b"\x00\x01\x02\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        f"POST /api/v1/ingest HTTP/1.1\r\n{host}Transfer-Encoding: chunked\r\n"
        "Content-Length: 5\r\nContent-Type: application/json\r\n\r\nabcde".encode(),
        f"GET /health HTTP/1.1\r\n{host}Host: evil.example\r\n\r\n".encode(),
        b"GET /health HTTP/1.1\r\n" + b"A: " + b"x" * 200_000 + b"\r\n\r\n",
    ):
        with socket.create_connection(("127.0.0.1", port), 5) as plain:
            plain.settimeout(5)
            plain.sendall(raw)
            answer = plain.recv(4096)
            assert b" 200 " not in answer.split(b"\r\n")[0], raw[:40]
    assert server.get("/health")["status"] in ("healthy", "degraded")


@pytest.mark.parametrize("endpoint", reads(OF_FEDERATION), ids=named)
def test_every_answer_of_the_fl_server_has_the_headers(fl: Asked, endpoint: Endpoint) -> None:
    answer = fl.http.get(path_of(endpoint))
    assert all(answer.headers[name] == value for name, value in HEADERS.items())
    assert "Access-Control-Allow-Origin" not in answer.headers
