"""Whatever bytes arrive, the server answers or closes, and lives on."""

from __future__ import annotations

import base64
import json
import os
import socket
from contextlib import suppress
from urllib.parse import urlsplit

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from tests.collector.server import Server

SETTINGS = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["action", "streams", "run", "cursor", "x"]) | st.text(max_size=8),
            inner,
            max_size=5,
        )
    ),
    max_leaves=12,
)
NEARLY = st.fixed_dictionaries(
    {"action": st.sampled_from(["subscribe", "unsubscribe", "dance"]) | JSON, "streams": JSON},
    optional={"run": JSON, "cursor": JSON},
)


def healthy(server: Server) -> bool:
    return bool(server.get("/health")["components"]["stream"]["status"] == "healthy")


@SETTINGS
@given(texts=st.lists(st.text(max_size=60) | (JSON | NEARLY).map(json.dumps), max_size=6))
def test_every_text_has_an_answer_and_the_connection_stays(
    server: Server, texts: list[str]
) -> None:
    with connect(server.ws_url, proxy=None, compression=None) as watching:
        for text in texts:
            watching.send(text)
            answer = json.loads(watching.recv(timeout=10))
            while answer["type"] not in ("error", "subscribed"):
                answer = json.loads(watching.recv(timeout=10))
    assert healthy(server)


@SETTINGS
@given(body=st.binary(max_size=200))
def test_every_binary_message_has_an_answer(server: Server, body: bytes) -> None:
    with connect(server.ws_url, proxy=None, compression=None) as watching:
        watching.send(body)
        with suppress(ConnectionClosed):
            assert json.loads(watching.recv(timeout=10))["type"] in ("error", "subscribed")
    assert healthy(server)


@SETTINGS
@given(noise=st.binary(min_size=1, max_size=300))
def test_bytes_that_are_no_frames_close_that_connection_alone(server: Server, noise: bytes) -> None:
    with shaken(server) as raw:
        raw.sendall(noise)
        raw.settimeout(0.05)
        with suppress(TimeoutError, ConnectionResetError):
            while raw.recv(4096):
                pass
    assert healthy(server)


def test_a_message_above_the_limit_closes_the_connection(server: Server) -> None:
    with connect(server.ws_url, proxy=None, compression=None) as watching:
        with suppress(ConnectionClosed):
            watching.send("x" * 200_000)
            watching.recv(timeout=10)
        assert watching.close_code == 1009
    assert healthy(server)


def shaken(server: Server) -> socket.socket:
    """A raw connection that did its handshake."""
    address = urlsplit(server.url)
    raw = socket.create_connection((address.hostname, address.port), timeout=10)
    key = base64.b64encode(os.urandom(16)).decode()
    lines = [
        "GET /ws/metrics HTTP/1.1",
        f"Host: {address.netloc}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Key: {key}",
        "Sec-WebSocket-Version: 13",
    ]
    raw.sendall("\r\n".join([*lines, "", ""]).encode())
    answer = b""
    while b"\r\n\r\n" not in answer:
        answer += raw.recv(4096)
    assert b" 101 " in answer
    return raw
