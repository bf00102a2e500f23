"""The HTTP sink against a real HTTP server that answers what a collector may answer."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import msgspec
import pytest

from fedsight.journal import DeliveryError, GapError
from fedsight.journal.http import HttpSink
from fedsight.signals import Shipment
from tests.journal.test_file import a_round

SHIPMENT = Shipment("r-1", 3, 1, [a_round(3)])


class Answering(ThreadingHTTPServer):
    """Answers each POST with `status` and `body`, and keeps what it was sent."""

    status = 200
    body = b'{"next_seq": 4}'
    got: tuple[str, str | None, bytes] = ("", None, b"")


class Post(BaseHTTPRequestHandler):
    server: Answering

    def do_POST(self) -> None:
        sent = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got = (self.path, self.headers["Authorization"], sent)
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(len(self.server.body)))
        self.end_headers()
        self.wfile.write(self.server.body)

    def log_message(self, format: str, *args: object) -> None:
        """Keep the test's output clean."""


@pytest.fixture
def server() -> Iterator[Answering]:
    answering = Answering(("127.0.0.1", 0), Post)
    thread = threading.Thread(target=answering.serve_forever, args=(0.01,))
    thread.start()
    yield answering
    answering.shutdown()
    thread.join()
    answering.server_close()


@pytest.fixture
def sink(server: Answering) -> Iterator[HttpSink]:
    with HttpSink(f"http://127.0.0.1:{server.server_port}/", "secret") as opened:
        yield opened


def test_a_shipment_is_posted_with_the_token(server: Answering, sink: HttpSink) -> None:
    assert sink.send(SHIPMENT) == 4
    path, authorization, body = server.got
    assert (path, authorization) == ("/api/v1/ingest", "Bearer secret")
    assert msgspec.json.decode(body, type=Shipment) == SHIPMENT


def test_a_gap_says_what_is_expected(server: Answering, sink: HttpSink) -> None:
    server.status = 409
    server.body = b'{"error": {"code": "gap", "message": "a gap", "expected_seq": 2}}'
    with pytest.raises(GapError) as caught:
        sink.send(SHIPMENT)
    assert caught.value.expected_seq == 2


@pytest.mark.parametrize(
    ("status", "refused"),
    [(401, True), (413, True), (422, True), (429, False), (500, False), (503, False), (507, False)],
)
def test_a_refusal_is_told_from_a_passing_failure(
    server: Answering, sink: HttpSink, status: int, refused: bool
) -> None:
    server.status = status
    server.body = b'{"error": {"code": "x", "message": "the reason"}}'
    with pytest.raises(DeliveryError, match=f"answered {status}: the reason") as caught:
        sink.send(SHIPMENT)
    assert caught.value.refused is refused
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("body", [b"<html>", b'{"ok": true}', b""])
def test_another_program_on_the_port_is_a_refusal(
    server: Answering, sink: HttpSink, body: bytes
) -> None:
    server.body = body
    with pytest.raises(DeliveryError, match="something else than a collector") as caught:
        sink.send(SHIPMENT)
    assert caught.value.refused


def test_a_server_that_is_away_is_a_passing_failure(server: Answering) -> None:
    with HttpSink("http://127.0.0.1:1", "secret") as sink:
        with pytest.raises(DeliveryError, match="cannot reach") as caught:
            sink.send(SHIPMENT)
        assert not caught.value.refused


@pytest.mark.parametrize(
    ("status", "field", "of_a_record"),
    [
        (422, "records[0].samples.value[1]", True),
        (422, "records[0].events[0].run", False),
        (422, "first_seq", False),
        (413, None, True),
        (401, None, False),
    ],
)
def test_a_refusal_says_whether_a_record_is_why(
    server: Answering, sink: HttpSink, status: int, field: str | None, of_a_record: bool
) -> None:
    server.status = status
    problem = {"code": "x", "message": "no", "field": field}
    server.body = msgspec.json.encode({"error": problem})
    with pytest.raises(DeliveryError) as caught:
        sink.send(SHIPMENT)
    assert caught.value.of_a_record is of_a_record
