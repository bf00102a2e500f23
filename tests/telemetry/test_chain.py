"""The whole way: exporter or target, agent, bridge, collector, each a process of its own."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fedsight.telemetry.windows import LocalWindows
from tests.cli.command import line_with, started
from tests.collector.server import Server
from tests.telemetry.agent.agents import agent
from tests.telemetry.agent.target import Target, exposed
from tests.telemetry.bridge.bridges import Bridge, free_port

pytestmark = pytest.mark.slow

INTERVAL = 3.0
KILLS = int(os.environ.get("FEDSIGHT_KILLS", "2"))
LOAD = "scaph_host_load_avg_one"


def until(so: Callable[[], bool], seconds: float) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + seconds
    while not so():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.02)


def samples(collector: Server, name: str) -> dict[int, float]:
    """What the collector tells of one name, by time (ns); it has one series of it."""
    query = {"name": name, "times": "ns", "limit": 100_000}
    found: list[dict[str, Any]] = collector.get("/api/v1/query", params=query)["series"]
    assert len(found) <= 1
    return {
        time: value
        for one in found
        for time, value in zip(one["times"], one["values"], strict=True)
    }


def test_from_scrape_to_dashboard_within_an_interval_and_a_second(tmp_path: Path) -> None:
    """With the exporter as it is, a look every 3 s and a batch every 3 s."""
    data = tmp_path / "data"
    data.mkdir()
    pace = {"FEDSIGHT_AGENT_INTERVAL_SECONDS": "3", "FEDSIGHT_AGENT_BATCH_SECONDS": "3"}
    exporter = started(data, "serve", "exporter", "--port", "0")
    try:
        page = line_with(exporter, "listening on ").split()[-1] + "/metrics"
        with (
            Server(data) as collector,
            Bridge(data, collector=collector.url) as bridge,
            agent(data, page, f"http://{bridge.target}", **pace) as running,
        ):
            latencies = seen_after(collector, scrapes=3)
            assert running.interrupt() == 0
            rows = LocalWindows(data / "windows").window("node-1").get_dataframe()
            kept = rows[f"scaphandre-metrics.{LOAD}"].tolist()
            assert kept == [value for _, value in sorted(samples(collector, LOAD).items())]
    finally:
        exporter.kill()
        exporter.communicate()
    assert max(latencies) <= INTERVAL + 1, latencies


def seen_after(collector: Server, scrapes: int) -> list[float]:
    """Seconds from each scrape's time until the collector tells of it; the dashboard asks it."""
    seen: dict[int, float] = {}

    def enough() -> bool:
        now = time.time()
        for at in samples(collector, LOAD):
            seen.setdefault(at, now - at / 1e9)
        return len(seen) >= scrapes

    until(enough, INTERVAL * (scrapes + 3))
    return list(seen.values())


def test_killed_anywhere_on_the_way_no_row_is_lost_or_doubled(tmp_path: Path) -> None:
    """Agent and bridge are killed in turn, in the middle of sending; rows go on whole."""
    data, target, port = tmp_path / "data", Target(), free_port()
    data.mkdir()
    way = f"http://127.0.0.1:{port}"
    with Server(data) as collector, exposed(target) as page:

        def bridge() -> Bridge:
            return Bridge(data, ports=(port, 0), collector=collector.url)

        receiving = bridge()
        try:
            for life in range(KILLS):
                with agent(data, page, way, FEDSIGHT_AGENT_BATCH_SECONDS="0.2") as running:
                    until(grown(target, target.scrapes + 12 + life), 20)
                    receiving.kill()
                    until(grown(target, target.scrapes + 5), 20)
                    receiving = bridge()
                    until(grown(target, target.scrapes + 7), 20)
                    running.kill()
            with agent(data, page, way, FEDSIGHT_AGENT_BATCH_SECONDS="0.2") as running:
                until(grown(target, target.scrapes + 5), 20)
                assert running.interrupt() == 0
            until(lambda: target.scrapes in samples(collector, "load").values(), 20)
        finally:
            receiving.kill()
        values = sorted(samples(collector, "load").values())
    assert len(values) == len(set(values)), "each scrape once"
    missing = set(range(1, target.scrapes + 1)) - {int(value) for value in values}
    assert len(missing) <= KILLS, "at most the look under way, each time that the agent was killed"


def grown(target: Target, scrapes: int) -> Callable[[], bool]:
    """Whether it was scraped so often."""
    return lambda: target.scrapes >= scrapes
