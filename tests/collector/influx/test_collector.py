"""A collector whose samples live in InfluxDB, as a process."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fedsight.collector.influx.client import connect
from tests.collector.influx.influxd import Influxd
from tests.collector.replica.processes import Process
from tests.collector.shipments import ended, started, trained

pytestmark = pytest.mark.slow
NODES = ["a", "b", "c"]
PAGES = (
    "/api/v1/runs/r-1/rounds",
    "/api/v1/runs/r-1/clients",
    "/api/v1/runs/r-1/clients?layout=columns&from_round=3&to_round=5",
    "/api/v1/fl/metrics?experiment_id=r-1",
)


def story(rounds: int) -> list[Any]:
    middle = [trained("r-1", number, NODES, number / 100) for number in range(1, rounds + 1)]
    return [started("r-1", NODES, rounds), *middle, ended("r-1", at=10**12)]


def until(holds: Callable[[], bool], seconds: float = 40.0) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def pages(process: Process) -> list[Any]:
    return [process.get(page) for page in PAGES]


def test_the_answers_are_those_of_the_embedded_store(tmp_path: Path, influxd: Influxd) -> None:
    with Process(tmp_path / "embedded") as embedded:
        assert embedded.send("j", story(12)).status_code == 200
        expected = pages(embedded)
    with Process(tmp_path / "influx", influx=influxd.port) as process:
        assert process.send("j", story(12)).status_code == 200
        assert pages(process) == expected
        time.sleep(2)  # by now InfluxDB has them
        assert pages(process) == expected
        assert process.get("/health")["components"]["influxdb"]["status"] == "healthy"


def test_influxdb_is_gone_and_comes_back(tmp_path: Path) -> None:
    server = Influxd(tmp_path / "influxd")
    records = story(20)
    try:
        with Process(tmp_path / "data", influx=server.port) as process:
            assert process.send("j", records[:11]).status_code == 200
            server.stop()
            assert process.send("j", records[11:], first_seq=12).status_code == 200
            until(lambda: process.get("/health")["status"] == "degraded")
            assert "cannot be reached" in process.get("/health")["components"]["influxdb"]["error"]
            assert process.get("/api/v1/runs/r-1")["state"] == "finished"
            assert process.http.get("/api/v1/runs/r-1/clients").status_code == 503
            server.start()
            until(lambda: process.get("/health")["status"] == "healthy")
            assert process.get("/api/v1/runs/r-1/clients")["total"] == 60
    finally:
        server.stop()


def test_killed_at_any_moment_nothing_is_lost_or_doubled(tmp_path: Path) -> None:
    """The collector is killed while records arrive and samples are on their way to InfluxDB."""
    server = Influxd(tmp_path / "influxd")
    records, sent, chance = story(60), 0, random.Random(7)
    try:
        while sent < len(records):
            process = Process(tmp_path / "data", influx=server.port)
            for _ in range(chance.randint(1, 20)):
                if sent < len(records):
                    answer = process.send("j", [records[sent]], first_seq=sent + 1)
                    assert answer.status_code == 200, answer.text
                    sent += 1
            time.sleep(chance.random() * 0.05)
            process.kill()
        with Process(tmp_path / "data", influx=server.port) as process:
            time.sleep(2)
            assert process.get("/api/v1/runs/r-1/clients")["total"] == 180
            until(lambda: points(server) == 60 * (len(NODES) + 1))
    finally:
        server.stop()


def points(server: Influxd) -> int:
    influx = connect(server.address)
    found = influx.ask('SELECT count("round"::field) FROM "samples" WHERE "run" = \'r-1\'')
    influx.close()
    return int(found[0].rows[0][1]) if found else 0
