"""Hours of a federation's load in compressed time, at a real process: its memory stays flat.

Each simulated hour is a run of 360 rounds, ten seconds apart, shipped by a journal with its events
and spans; beside it hosts write line protocol and a page asks. Samples are sealed and merged
meanwhile. `FEDSIGHT_SOAK_HOURS=24` is a day, some minutes long.
"""

from __future__ import annotations

import os
import statistics
from pathlib import Path

import httpx
import psutil
import pytest

from fedsight.journal.http import HttpSink
from tests.collector.server import Server
from tests.collector.shipments import SECOND, START, ended, shipment, started, trained

HOURS = int(os.environ.get("FEDSIGHT_SOAK_HOURS", "6"))
ROUNDS = 360
TOGETHER = 20
NODES = [f"client-{n}" for n in range(20)]
MIB = 2**20
#: What may come on top for what is remembered of more series, and for how memory is given back.
SLACK_MIB = 24
GROWTH = 1.10


def hour_of(server: Server, hour: int) -> None:
    """A run from beginning to end, and what happens beside it."""
    run = f"soak-{hour}"
    records = [started(run, NODES, ROUNDS)]
    records += [trained(run, n, NODES) for n in range(1, ROUNDS + 1)]
    records.append(ended(run, at=ROUNDS * SECOND))
    with HttpSink(server.url, server.token) as sink:
        for first in range(0, len(records), TOGETHER):
            part = records[first : first + TOGETHER]
            sink.send(shipment(run, part, first + 1))
            written = hosts(server.http, server.bearer, hour * ROUNDS + first)
            assert written.status_code == 204, written.text
            asked(server, run)


def hosts(client: httpx.Client, bearer: dict[str, str], at: int) -> httpx.Response:
    """What 20 hosts tell each second for a while."""
    lines = (
        f"host,node={node} cpu={n % 7}.5,memory={n}i {START + (at + n) * SECOND}"
        for n in range(TOGETHER)
        for node in NODES
    )
    return client.post("/api/v1/write", content="\n".join(lines), headers=bearer)


def asked(server: Server, run: str) -> None:
    """What a page asks: the run, its rounds, a query."""
    server.get(f"/api/v1/runs/{run}")
    server.get(f"/api/v1/runs/{run}/rounds", params={"layout": "columns"})
    server.get("/api/v1/query", params={"name": "fl_accuracy", "run": run, "step": "10s"})
    server.get("/health")


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_memory_is_flat_over_hours_of_load(tmp_path: Path) -> None:
    with Server(tmp_path, upkeep={"seal_samples": 50_000, "look_seconds": 0.2}) as running:
        process = psutil.Process(running.process.pid)
        held = []
        for hour in range(HOURS):
            hour_of(running, hour)
            held.append(process.memory_info().rss / MIB)
        assert running.get("/health")["status"] == "healthy"
        assert running.get("/api/v1/runs", params={"limit": 1})["total"] == HOURS
    third = max(1, HOURS // 3)
    warm, end = statistics.median(held[third : 2 * third]), statistics.median(held[-third:])
    said = ", ".join(f"{each:.0f}" for each in held)
    print(f"MiB after each hour: {said}")
    assert end <= GROWTH * warm + SLACK_MIB, said
