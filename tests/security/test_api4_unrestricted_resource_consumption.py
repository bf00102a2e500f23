"""API4:2023: every request costs a bounded amount, however it is written."""

from __future__ import annotations

import time
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from fedsight.door.endpoint import Endpoint
from tests.collector.server import JSON, Server
from tests.federated.api.asked import BEARER, Asked
from tests.security.routes import OF_COLLECTOR, OF_FEDERATION, changes, named, path_of

HUGE = 10**20
POSTS = [one for one in changes(OF_COLLECTOR) if one.method == "POST"]


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Server:
    limits = {"body_bytes": 2000, "streams": 3, "ingest_burst": 5, "ingest_rate": 0.01}
    with Server(tmp_path_factory.mktemp("strict"), **limits) as running:
        yield running


@pytest.mark.parametrize("endpoint", POSTS, ids=named)
def test_a_body_has_an_end(strict: Server, endpoint: Endpoint) -> None:
    large = b'{"a": "' + b"x" * 100_000 + b'"}'
    headers = {**JSON, **strict.bearer}
    for content in (large, iter([large[:60_000], large[60_000:]])):
        answer = strict.http.post(path_of(endpoint), content=content, headers=headers)
        # Where no body is read, or nothing is served, none is taken in either.
        assert answer.status_code in (200, 404, 413, 422, 429, 502), answer.text
        assert answer.status_code != 200 or endpoint.body is None


@pytest.mark.parametrize("endpoint", changes(OF_FEDERATION), ids=named)
def test_a_body_to_the_fl_server_has_an_end(fl: Asked, endpoint: Endpoint) -> None:
    large = b'{"a": "' + b"x" * 100_000 + b'"}'
    answer = fl.http.post(path_of(endpoint), content=large, headers={**JSON, **BEARER})
    assert answer.status_code == 413


def test_a_body_that_does_not_say_the_truth_about_its_length(strict: Server) -> None:
    for length in ("-1", "1e9", str(HUGE), "abc"):
        headers = {**JSON, **strict.bearer, "Content-Length": length}
        try:
            answer = strict.http.post("/api/v1/ingest", content=b"{}", headers=headers)
        except httpx.HTTPError:
            continue
        assert answer.status_code in (400, 413)
    assert strict.http.get("/health").status_code == 200


@pytest.mark.parametrize("path", [one.path for one in OF_COLLECTOR if one.method == "GET"])
def test_a_page_has_an_end(server: Server, path: str) -> None:
    document = server.get("/openapi.json")
    for parameter in document["paths"][path]["get"]["parameters"]:
        if parameter["name"] != "limit":
            continue
        # To Prometheus's API 0 means as many as there may be, and so does more than that.
        for wrong in (-1,) if path.startswith("/prometheus/") else (0, -1, HUGE):
            asked = path.replace("{run}", "r-1").replace("{name}", "run")
            query = {"limit": wrong, "name": "fl_accuracy", "query": "fl_accuracy"}
            answer = server.http.get(asked, params=query)
            assert answer.status_code in (400, 422), (asked, wrong, answer.text)


@pytest.mark.parametrize(
    ("path", "query"),
    [
        (
            "/prometheus/api/v1/query_range",
            {"query": "fl_accuracy", "start": "0", "end": "1e9", "step": "1"},
        ),
        (
            "/api/v1/query",
            {
                "name": "fl_accuracy",
                "from": "2016-01-01T00:00:00Z",
                "to": "2026-01-01T00:00:00Z",
                "step": "1s",
                "aggregation": "mean",
            },
        ),
        ("/prometheus/api/v1/query", {"query": "(" * 5000 + "1" + ")" * 5000}),
        ("/prometheus/api/v1/query", {"query": "fl_accuracy{run=~'" + "(a*)*" * 900 + "b'}"}),
        ("/api/v1/runs", {"offset": str(HUGE)}),
    ],
)
def test_a_question_that_would_take_too_long_is_refused(
    server: Server, path: str, query: dict[str, str]
) -> None:
    began = time.monotonic()
    answer = server.http.get(path, params=query, timeout=20)
    assert answer.status_code in (400, 422), answer.text
    assert time.monotonic() - began < 10


def test_json_that_is_nested_too_deeply_is_refused(server: Server) -> None:
    for body in (b"[" * 100_000, b'{"a":' * 100_000):
        answer = server.http.post(
            "/api/v1/silences", content=body[:60_000], headers={**JSON, **server.bearer}
        )
        assert answer.status_code in (400, 422)
    assert server.get("/health")["components"]["store"]["status"] == "healthy"


def test_live_streams_are_bounded_in_number(strict: Server) -> None:
    with ExitStack() as held:
        for _ in range(3):
            held.enter_context(connect(strict.ws_url))
        with pytest.raises(InvalidStatus), connect(strict.ws_url):
            pass
    with connect(strict.ws_url) as stream:
        stream.send('{"action": "subscribe", "streams": ["fl_training"]}')
        assert "subscribed" in str(stream.recv(5))


def drained(stream: ClientConnection) -> None:
    while True:
        stream.recv(5)


def test_a_message_to_the_stream_has_an_end(server: Server) -> None:
    with connect(server.ws_url) as stream:
        stream.send("x" * 1_000_000)
        with pytest.raises(ConnectionClosed):
            drained(stream)
    assert server.http.get("/health").status_code == 200


def test_shipments_are_bounded_in_rate(tmp_path: Path) -> None:
    empty = b'{"journal": "j", "first_seq": 1, "oldest_seq": 1, "records": []}'
    with Server(tmp_path, ingest_burst=2, ingest_rate=0.01) as server:
        codes = [server.post(empty).status_code for _ in range(4)]
        assert codes == [200, 200, 429, 429]
        assert int(server.post(empty).headers["Retry-After"]) > 0
