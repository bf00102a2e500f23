"""A disk that takes no more, as programs without a journal meet it."""

from __future__ import annotations

from pathlib import Path

import httpx
import msgspec
import pytest

from tests.collector.server import JSON, Server
from tests.collector.shipments import SECOND, START
from tests.collector.test_full_disk import small_disk

__all__ = ["small_disk"]

pytestmark = pytest.mark.slow
MANY = 5000


def send(server: Server, piece: int) -> httpx.Response:
    first = START + piece * MANY * SECOND
    body = {
        "series": [{"name": "filler", "labels": {}}],
        "index": [0] * MANY,
        "time": [*range(first, first + MANY * SECOND, SECOND)],
        "value": [1.0] * MANY,
    }
    headers = {**server.bearer, **JSON}
    return server.http.post("/api/v1/samples", content=msgspec.json.encode(body), headers=headers)


def stored(server: Server) -> int:
    ask = {"name": "filler", "from": f"{START / SECOND:.0f}", "to": f"{START / SECOND + 10**7:.0f}"}
    asked = {**ask, "step": "3650d", "aggregation": "count"}
    return sum(sum(each["values"]) for each in server.get("/api/v1/query", params=asked)["series"])


def test_samples_are_507_on_a_full_disk_and_taken_once_there_is_room(small_disk: Path) -> None:
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"x" * 600_000)
    with Server(small_disk, upkeep={"seal_seconds": 10**6}) as running:
        piece = 0
        while send(running, piece).status_code == 200:
            piece += 1
            assert piece < 100
        answer = send(running, piece)
        assert (answer.status_code, answer.json()["error"]["code"]) == (507, "disk_full")
        line = b"other value=1 5"
        refused = running.http.post("/api/v1/write", content=line, headers=running.bearer)
        assert refused.status_code in (204, 507)  # so little may still fit into a page
        assert stored(running) == piece * MANY
        assert running.get("/health")["status"] == "degraded" or refused.status_code == 204
        ballast.unlink()
        assert send(running, piece).json()["stored"] == MANY
        assert stored(running) == (piece + 1) * MANY
        assert running.get("/health")["components"]["store"]["status"] == "healthy"
