"""The stores that `benchmarks.collector` compares, each a process in a directory of its own."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import httpx

from benchmarks.sending import Address
from fedsight.errors import FedsightError

START_SECONDS = 30.0
STOP_SECONDS = 60.0
PROGRAMS = ("victoria-metrics", "prometheus", "influxd")
INFLUX = """reporting-disabled = true
bind-address = "127.0.0.1:{rpc}"
[meta]
  dir = "{data}/meta"
[data]
  dir = "{data}/data"
  wal-dir = "{data}/wal"
  max-series-per-database = 0
  max-values-per-tag = 0
  query-log-enabled = false
[http]
  bind-address = "127.0.0.1:{port}"
  log-enabled = false
"""
PROMETHEUS = "global: {scrape_interval: 1h}\n"


class Store(Protocol):
    """A running store of samples."""

    port: int
    data: Path

    def stop(self) -> None:
        """End the process."""


def require_programs() -> None:
    """Raises FedsightError naming the package of the first that is missing."""
    for program in PROGRAMS:
        if shutil.which(program) is None:
            package = {"influxd": "influxdb"}.get(program, program)
            raise FedsightError(f"{program} is not installed; run: apt-get install {package}")


def free_port() -> int:
    """A port that nobody listens on just now."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


class Process:
    """A program that listens on `port` and keeps its data in `data`."""

    def __init__(
        self, command: Sequence[str], data: Path, port: int, env: dict[str, str] | None = None
    ) -> None:
        self.data = data
        self.port = port
        self._log = (data.parent / f"{data.name}.log").open("ab")
        environment = {**os.environ, **(env or {})}
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=self._log,
            stderr=self._log,
            cwd=data,
            env=environment,
        )
        self._await()

    def _await(self) -> None:
        until = time.monotonic() + START_SECONDS
        while time.monotonic() < until:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                if self._process.poll() is not None:
                    break
                time.sleep(0.05)
        said = Path(self._log.name).read_text(errors="replace")[-500:]
        raise FedsightError(f"the store in {self.data} did not start: {said}")

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid

    def stop(self) -> None:
        """End it and wait."""
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        finally:
            self._process.kill()
            self._process.wait()
            if self._process.stdin is not None:
                self._process.stdin.close()
            self._log.close()

    def size(self) -> int:
        """Bytes of all files of its data."""
        return sum(file.stat().st_size for file in self.data.rglob("*") if file.is_file())


def victoria_metrics(data: Path) -> Process:
    """VictoriaMetrics, with no retention that could drop what is old."""
    port = free_port()
    flags = ["-retentionPeriod=100y", "-search.latencyOffset=0s", "-search.disableCache"]
    flags += ["-search.maxUniqueTimeseries=20000000", "-search.maxSamplesPerQuery=1000000000"]
    return Process(
        [
            "victoria-metrics",
            f"-storageDataPath={data}",
            f"-httpListenAddr=127.0.0.1:{port}",
            *flags,
        ],
        data,
        port,
    )


def prometheus(data: Path) -> Process:
    """Prometheus, that takes remote writes and scrapes nothing."""
    port = free_port()
    config = data.parent / f"{data.name}.yml"
    config.write_text(PROMETHEUS)
    flags = ["--web.enable-remote-write-receiver", "--storage.tsdb.retention.time=100y"]
    flags += [f"--config.file={config}", f"--storage.tsdb.path={data}"]
    flags += ["--query.max-samples=1000000000", f"--web.listen-address=127.0.0.1:{port}"]
    started = Process(["prometheus", *flags], data, port)
    _ready(lambda: httpx.get(f"{started.url}/-/ready", trust_env=False).status_code == 200)
    return started


def influxdb(data: Path) -> Process:
    """InfluxDB without bounds on series, with the database `fl`."""
    port = free_port()
    config = data.parent / f"{data.name}.conf"
    config.write_text(INFLUX.format(rpc=free_port(), data=data, port=port))
    started = Process(["influxd", "-config", str(config)], data, port)
    query = {"q": "CREATE DATABASE fl"}
    httpx.post(f"{started.url}/query", params=query, trust_env=False).raise_for_status()
    return started


class Ours(Process):
    """Our collector, with its defaults."""

    def __init__(self, data: Path) -> None:
        port = free_port()
        command = [sys.executable, "-m", "fedsight", "serve", "collector", "--port", str(port)]
        super().__init__(command, data, port, {"FEDSIGHT_DATA": str(data)})
        _ready(lambda: httpx.get(f"{self.url}/health", timeout=30, trust_env=False).is_success)
        self.token = (data / "token").read_text().strip()

    def address(self, path: str, kind: str = "application/json") -> Address:
        """Where to post."""
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": kind}
        return Address(self.port, path, headers)


def merge_ours(data: Path) -> None:
    """Seal and merge all of a collector that does not run."""
    done = subprocess.run(
        [sys.executable, "-m", "fedsight", "store", "compact"],
        env={**os.environ, "FEDSIGHT_DATA": str(data)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise FedsightError(f"fedsight store compact: {done.stderr[-500:]}")


def _ready(holds: Callable[[], bool]) -> None:
    until = time.monotonic() + START_SECONDS
    while not holds():
        if time.monotonic() > until:
            raise FedsightError("a peer did not become ready")
        time.sleep(0.1)
