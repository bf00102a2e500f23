"""The monitors against the real thing: our FL server, and Debian's node-exporter."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.collector.monitors.collector import WatchingServer

pytestmark = pytest.mark.slow

PLAN = {"training_config": {"task": "digits", "max_rounds": 4}, "plan": {"nodes": 3, "epochs": 1}}


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


class RealFlServer:
    """Our FL server as a process, and a client of its API."""

    def __init__(self, process: subprocess.Popen[str], client: httpx.Client) -> None:
        self.process = process
        self.client = client

    def kill(self) -> None:
        """As a machine that loses its power."""
        self.process.kill()
        self.process.wait(20)


@contextmanager
def federation(data: Path, port: int, collector_port: int) -> Iterator[httpx.Client]:
    """A client of our FL server over a data directory."""
    with fl_server(data, port, collector_port) as server:
        yield server.client


@contextmanager
def fl_server(data: Path, port: int, collector_port: int) -> Iterator[RealFlServer]:
    """Our FL server over a data directory, as a process."""
    config = data.parent / f"{data.name}-federation.toml"
    config.write_text(f'data = "{data}"\n[collector]\nport = {collector_port}\n')
    words = ["-m", "fedsight", "serve", "federation", "--task", "digits", "--nodes", "3"]
    process = subprocess.Popen(
        [sys.executable, *words, "--port", str(port), "--config", str(config)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "MIN_CLIENTS": "1"},
    )
    assert process.stdout is not None
    try:
        assert process.stdout.readline().startswith("listening on ")
        token = (data / "token").read_text().strip()
        with httpx.Client(
            base_url=f"http://127.0.0.1:{port}",
            headers={"Authorization": f"Bearer {token}"},
            trust_env=False,
            timeout=30,
        ) as client:
            yield RealFlServer(process, client)
    finally:
        process.terminate()
        process.wait(20)
        process.stdout.close()


def trained(client: httpx.Client) -> str:
    """Train a run to its end; its id."""
    answer = client.post("/start", json=PLAN)
    assert answer.status_code == 202, answer.text
    end = time.monotonic() + 120
    while client.get("/status").json()["status"] != "finished":
        assert time.monotonic() < end
        time.sleep(0.1)
    return str(answer.json()["run"])


def events_of(server: WatchingServer, run: str) -> list[tuple[str, int | None]]:
    page = server.get(f"/api/v1/runs/{run}/events")
    return [(event["kind"], event["round"]) for event in page["events"]]


def rounds_of(server: WatchingServer, run: str) -> list[dict[str, Any]]:
    return list(server.get(f"/api/v1/runs/{run}/rounds")["rounds"])


def test_what_our_own_server_ships_is_not_taken_twice(tmp_path: Path) -> None:
    data, port = tmp_path / "data", free_port()
    with WatchingServer(data, fl=f"http://127.0.0.1:{port}") as server:
        own_port = int(server.url.rpartition(":")[2])
        with federation(data, port, own_port) as client:
            run = trained(client)
            server.looked("fl_server", 2)
            server.until(lambda: server.get(f"/api/v1/runs/{run}")["state"] == "finished")
            server.looked("fl_server", 2)
            status = server.get("/api/v1/status")["components"]["fl_server"]
            assert status["status"] == "finished"
            found = events_of(server, run)
            assert len(found) == len(set(found))
            assert [number for kind, number in found if kind == "ROUND_COMPLETED"] == [1, 2, 3, 4]
            assert not {"AGGREGATION_COMPLETED", "FOREIGN_RUN_STARTED"} & {k for k, _ in found}
            points = server.get("/api/v1/query", params={"name": "fl_accuracy"})["series"]
            assert [len(one["values"]) for one in points] == [4]
            gained = server.get("/api/v1/query", params={"name": "fl_convergence_slope"})["series"]
            assert gained == []
            server_events = server.monitor("fl_server")["events"]
    # It was reached, and it had started.
    assert server_events == 2


def test_another_federations_server_is_taken_in(tmp_path: Path) -> None:
    """One that ships to nobody: what it answers is all that there is."""
    port = free_port()
    with federation(tmp_path / "theirs", port, collector_port=1) as client:
        run = trained(client)
        theirs = client.get("/rounds").json()["rounds"]
        with WatchingServer(tmp_path / "ours", fl=f"http://127.0.0.1:{port}") as server:
            server.looked("fl_server", 3)
            summary = server.get(f"/api/v1/runs/{run}")
            assert (summary["state"], summary["task"], summary["round"]) == (
                "finished",
                "digits",
                4,
            )
            ours = rounds_of(server, run)
            assert [row["accuracy"] for row in ours] == [row["accuracy"] for row in theirs]
            assert [row["participants"] for row in ours] == [row["clients"] for row in theirs]
            spans = server.get(f"/api/v1/runs/{run}/spans")["spans"]
            assert {span["phase"] for span in spans} == {"aggregate", "evaluate"}
            slope = server.get("/api/v1/query", params={"name": "fl_convergence_slope"})["series"]
            assert len(slope) == 1


@contextmanager
def node_exporter() -> Iterator[str]:
    program = shutil.which("prometheus-node-exporter")
    assert program is not None
    port = free_port()
    words = [f"--web.listen-address=127.0.0.1:{port}", "--log.level=error"]
    with subprocess.Popen([program, *words], stderr=subprocess.DEVNULL) as process:
        try:
            yield f"http://127.0.0.1:{port}/metrics"
        finally:
            process.terminate()


def test_a_real_node_exporter_is_scraped(tmp_path: Path) -> None:
    with node_exporter() as url:
        target = f'[[monitors.targets]]\nname = "site-a"\nurl = "{url}"\n'
        with WatchingServer(tmp_path / "data", more=target) as server:
            server.looked("prometheus:site-a", 2)
            text = httpx.get(url, trust_env=False).text
            lines = [line for line in text.splitlines() if line and not line.startswith("#")]
            row = server.monitor("prometheus:site-a")
            taken = row["samples"] / row["successes"]
            # A few figures are NaN, and the exporter's own histograms grow as it is asked.
            assert 0.9 * len(lines) <= taken <= 1.1 * len(lines)
            asked = {"name": "node_memory_MemTotal_bytes", "labels": "job=site-a"}
            (series,) = server.get("/api/v1/query", params=asked)["series"]
            wanted = next(line for line in lines if line.startswith("node_memory_MemTotal_bytes"))
            assert series["values"][-1] == float(wanted.split()[-1])
