"""Hours of a federation's load in compressed time, at a real process: its memory stays flat.

Flat means two things: the least of each hour, which is what is held between two merges, rises by no
more than what is remembered of the hour's new series; and a merge takes no more on top than it may.

Each simulated hour is a run of 360 rounds, ten seconds apart, shipped by a journal with its events
and spans; beside it hosts write line protocol and a page asks. Samples are sealed and merged
meanwhile. `FEDSIGHT_SOAK_HOURS=24` is a day, some minutes long.
"""

from __future__ import annotations

import os
import statistics
import threading
from pathlib import Path

import httpx
import psutil
import pytest

from fedsight.collector.store.upkeep import MEMORY_MB
from fedsight.journal.http import HttpSink
from tests.collector.server import Server
from tests.collector.shipments import SECOND, START, ended, shipment, started, trained

HOURS = int(os.environ.get("FEDSIGHT_SOAK_HOURS", "6"))
ROUNDS = 360
TOGETHER = 20
NODES = [f"client-{n}" for n in range(20)]
MIB = 2**20
#: MiB that an hour may leave behind, over the last half of the hours. Each hour is a new run whose
#: 165 series are remembered by name (0.4 MiB); row groups that were asked for stay decoded, up to
#: 64 MiB, and SQLite's pages, up to 16. In the first hours all that is used at all comes on top.
AN_HOUR = 1.0 if HOURS >= 24 else 6.0
#: What merging and sealing may take on top, MiB: the engine's own limit, and what it is made of.
ON_TOP = MEMORY_MB + 64
SAMPLED_SECONDS = 0.02


class Watch:
    """Looks at the memory of a process all the time: the least and the most since the last look."""

    def __init__(self, process: psutil.Process) -> None:
        self._process = process
        self._stop = threading.Event()
        self._seen: list[float] = []
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def _look(self) -> None:
        while not self._stop.wait(SAMPLED_SECONDS):
            self._seen.append(self._process.memory_info().rss / MIB)

    def since(self) -> tuple[float, float]:
        """The least and the most of what was held since this was last asked."""
        seen, self._seen = self._seen, []
        return min(seen), max(seen)

    def stop(self) -> None:
        """Look no more."""
        self._stop.set()
        self._thread.join()


def slope(held: list[float]) -> float:
    """By how much a series rises at each step, by least squares."""
    return statistics.linear_regression(range(len(held)), held).slope


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
        watch = Watch(psutil.Process(running.process.pid))
        least, most = [], []
        for hour in range(HOURS):
            hour_of(running, hour)
            low, high = watch.since()
            least.append(low)
            most.append(high)
        watch.stop()
        assert running.get("/health")["status"] == "healthy"
        assert running.get("/api/v1/runs", params={"limit": 1})["total"] == HOURS
    rise = slope(least[HOURS // 2 :])
    said = ", ".join(f"{low:.0f}-{high:.0f}" for low, high in zip(least, most, strict=True))
    print(f"MiB of each hour, least and most: {said}; {rise:+.2f} an hour over the last half")
    assert rise <= AN_HOUR, said
    assert max(most) <= max(least) + ON_TOP, said


@pytest.mark.parametrize(
    ("held", "rises"),
    [([5.0, 5.0, 5.0], 0.0), ([1.0, 3.0, 5.0], 2.0), ([3.0, 1.0, 3.0, 1.0], -0.4)],
)
def test_the_slope_is_that_of_least_squares(held: list[float], rises: float) -> None:
    assert slope(held) == pytest.approx(rises)
