"""One process writes, others read: the same stream from each."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import ClientConnection, connect

from fedsight.collector.options import CollectorOptions
from fedsight.collector.replica.running import ReplicaParts
from fedsight.errors import StoreError
from tests.collector.current.redis_server import RedisServer
from tests.collector.replica.processes import Process
from tests.collector.shipments import started, trained, whole_run

pytestmark = pytest.mark.slow

#: What a reader answers itself.
READS = (
    "/api/v1/runs",
    "/api/v1/runs/r-1/rounds",
    "/api/v1/runs/r-1/clients?layout=columns",
    "/api/v1/compare?runs=r-1,r-2",
    "/api/v1/fl/metrics?experiment_id=r-1",
    "/api/v1/series",
    "/api/v1/query?run=r-1",
    "/prometheus/api/v1/labels",
    "/prometheus/api/v1/query?query=count(fl_client_samples)&time=1",
)


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    running = RedisServer(tmp_path / "redis")
    yield running
    running.stop()


@contextmanager
def watching(process: Process, cursor: int | None = None) -> Iterator[ClientConnection]:
    asked: dict[str, Any] = {"action": "subscribe", "streams": ["fl_training"]}
    if cursor is not None:
        asked["cursor"] = cursor
    with connect(process.ws_url, proxy=None, compression=None) as stream:
        stream.send(json.dumps(asked))
        assert json.loads(stream.recv(timeout=10))["type"] == "subscribed"
        yield stream


def received(stream: ClientConnection, number: int) -> list[Any]:
    return [json.loads(stream.recv(timeout=10)) for _ in range(number)]


def until(holds: Callable[[], bool], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_every_process_tells_the_same_in_the_same_order(tmp_path: Path, redis: RedisServer) -> None:
    data = tmp_path / "data"
    with ExitStack() as stack:
        writer = stack.enter_context(Process(data, redis=redis.port))
        readers = [
            stack.enter_context(Process(data, "--reader", redis=redis.port)) for _ in range(2)
        ]
        streams = [stack.enter_context(watching(each)) for each in (writer, *readers)]
        began = time.monotonic()
        for number in range(5):
            assert writer.send(f"j-{number}", whole_run(f"r-{number}", ["a"], 3)).status_code == 200
        told = [received(stream, 5 * 13) for stream in streams]
        assert time.monotonic() - began < 8
        assert told[0] == told[1] == told[2]
        cursors = [message["cursor"] for message in told[0]]
        assert cursors == sorted(set(cursors))
        for path in READS:
            assert readers[0].get(path) == writer.get(path), path


def test_a_reader_passes_on_what_it_cannot_do(tmp_path: Path, redis: RedisServer) -> None:
    data = tmp_path / "data"
    with (
        Process(data, redis=redis.port) as writer,
        Process(data, "--reader", redis=redis.port) as reader,
    ):
        answer = reader.send("j", whole_run("r-1", ["a"]))
        assert (answer.status_code, answer.json()) == (200, {"next_seq": 5})
        assert [run["id"] for run in writer.get("/api/v1/runs")["runs"]] == ["r-1"]
        without_token = reader.http.post("/api/v1/ingest", json={})
        assert without_token.status_code == 401
        foreign = reader.http.get("/api/v1/alerts", headers={"Origin": "https://evil.example"})
        assert foreign.status_code == 403
        assert reader.get("/api/v1/alerts")["total"] == 0
        assert reader.get("/health")["status"] == "healthy"


def test_a_dead_writer_stops_changes_and_nothing_else(tmp_path: Path, redis: RedisServer) -> None:
    data = tmp_path / "data"
    with ExitStack() as stack:
        writer = stack.enter_context(Process(data, redis=redis.port))
        reader = stack.enter_context(Process(data, "--reader", redis=redis.port))
        assert writer.send("j", [started("r-1", ["a"], rounds=3)]).status_code == 200
        stream = stack.enter_context(watching(reader, cursor=0))
        seen = received(stream, 2)
        writer.kill()
        refused = reader.send("j", [trained("r-1", 1, ["a"])], first_seq=2)
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "writer_away")
        assert str(data) in refused.json()["error"]["message"]
        assert reader.get("/api/v1/runs/r-1")["id"] == "r-1"
        assert reader.get("/health")["components"]["writer"]["status"] == "degraded"
        again = stack.enter_context(Process(data, redis=redis.port))
        until(lambda: reader.send("j", [trained("r-1", 1, ["a"])], first_seq=2).status_code == 200)
        seen += received(stream, 3)
        with watching(again, cursor=0) as whole:
            assert received(whole, 5) == seen


def test_without_redis_nothing_is_missed(tmp_path: Path, redis: RedisServer) -> None:
    data = tmp_path / "data"
    with ExitStack() as stack:
        writer = stack.enter_context(Process(data, redis=redis.port))
        reader = stack.enter_context(Process(data, "--reader", redis=redis.port))
        streams = [stack.enter_context(watching(each)) for each in (writer, reader)]
        writer.send("a", whole_run("r-1", ["a"]))
        redis.stop()
        writer.send("b", whole_run("r-2", ["a"]))
        told = [received(stream, 20) for stream in streams]
        assert told[0] == told[1]
        until(lambda: writer.get("/health")["components"]["cache"]["status"] == "degraded")
        redis.start()
        until(lambda: writer.get("/health")["components"]["cache"]["status"] == "healthy")
        writer.send("c", whole_run("r-3", ["a"]))
        told = [received(stream, 10) for stream in streams]
        assert told[0] == told[1]


def test_processes_share_a_port(tmp_path: Path, redis: RedisServer) -> None:
    data = tmp_path / "data"
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    with ExitStack() as stack:
        processes = [
            stack.enter_context(Process(data, "--shared", *flags, redis=redis.port, port=port))
            for flags in ((), ("--reader",), ("--reader",))
        ]
        assert {process.url for process in processes} == {f"http://127.0.0.1:{port}"}
        streams = [stack.enter_context(watching(processes[0])) for _ in range(12)]
        for number in range(6):
            answer = Process.send(
                processes[number % 3], f"j-{number}", whole_run(f"r-{number}", ["a"])
            )
            assert answer.status_code == 200
        told = [received(stream, 60) for stream in streams]
        assert all(each == told[0] for each in told)


def test_a_reader_without_a_store_says_what_to_start(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="there is no store"):
        ReplicaParts(CollectorOptions(tmp_path), "http://127.0.0.1:1")
