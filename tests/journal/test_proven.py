"""The token goes to our own collector alone, whenever it comes."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from fedsight.journal import DeliveryError
from fedsight.journal.proven import ProvenSink
from fedsight.signals import Batch, Shipment

SHIPMENT = Shipment("r-1", 1, 1, [Batch()])


class Collector:
    """What answers like a collector whose health is `health`; remembers who came with what."""

    def __init__(self, health: Any) -> None:
        self.tokens: list[str | None] = []
        outer = self

        class Answering(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.tokens.append(self.headers.get("Authorization"))
                self._answer(health)

            def do_POST(self) -> None:
                outer.tokens.append(self.headers.get("Authorization"))
                self.rfile.read(int(self.headers["Content-Length"]))
                self._answer({"next_seq": 2})

            def _answer(self, found: Any) -> None:
                body = json.dumps(found).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Answering)
        self.url = f"http://127.0.0.1:{self.server.server_port}"


@contextmanager
def collector(health: Any) -> Iterator[Collector]:
    found = Collector(health)
    thread = threading.Thread(target=found.server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield found
    finally:
        found.server.shutdown()
        thread.join()
        found.server.server_close()


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / "store-id").write_text("ours\n")
    return tmp_path


def test_our_collector_is_asked_who_it_is_once(data: Path) -> None:
    ours = {"service": "fedsight-collector", "store_id": "ours"}
    with collector(ours) as found, closing(ProvenSink(found.url, data, "secret")) as sink:
        assert [sink.send(SHIPMENT), sink.send(SHIPMENT)] == [2, 2]
    assert found.tokens == [None, "Bearer secret", "Bearer secret"]


@pytest.mark.parametrize(
    ("health", "says"),
    [
        ({"service": "fedsight-collector", "store_id": "theirs"}, "another data directory"),
        ({"service": "other", "store_id": "ours"}, "another data directory"),
        ({"error": {"code": "unauthorized"}}, "not a collector"),
        (["ours"], "not a collector"),
    ],
)
def test_nobody_else_gets_the_token(data: Path, health: Any, says: str) -> None:
    with (
        collector(health) as found,
        closing(ProvenSink(found.url, data, "secret")) as sink,
        pytest.raises(DeliveryError, match=says) as refused,
    ):
        sink.send(SHIPMENT)
    assert refused.value.refused is False
    assert found.tokens == [None]


def test_where_nobody_answers_the_next_shipment_asks_again(data: Path) -> None:
    with collector({}) as gone:
        pass
    with closing(ProvenSink(gone.url, data, "secret")) as sink:
        for _ in range(2):
            with pytest.raises(DeliveryError, match="no collector answers"):
                sink.send(SHIPMENT)
