"""A real InfluxDB server, Debian's influxd, on free ports in a folder of its own."""

from __future__ import annotations

import socket
import subprocess
import time
from pathlib import Path

import httpx

from fedsight.collector.influx.address import InfluxAddress

CONFIGURATION = """
reporting-disabled = true
bind-address = "127.0.0.1:{rpc}"
[meta]
  dir = "{folder}/meta"
[data]
  dir = "{folder}/data"
  wal-dir = "{folder}/wal"
  index-version = "inmem"
  query-log-enabled = false
[monitor]
  store-enabled = false
[http]
  bind-address = "127.0.0.1:{http}"
  log-enabled = false
  auth-enabled = {auth}
"""


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Influxd:
    """A server that keeps its port and its data when it is started again."""

    def __init__(self, folder: Path, *, auth: bool = False) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self._file = folder / "influxdb.conf"
        self._file.write_text(
            CONFIGURATION.format(
                rpc=free_port(), http=self.port, folder=folder, auth=str(auth).lower()
            )
        )
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    @property
    def address(self) -> InfluxAddress:
        """Where it is, with a database that may have to be made."""
        return InfluxAddress("127.0.0.1", self.port)

    def start(self) -> None:
        """Start it and wait until it answers."""
        self._process = subprocess.Popen(
            ["/usr/bin/influxd", "-config", str(self._file)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for _ in range(200):
            try:
                httpx.get(f"http://127.0.0.1:{self.port}/ping", trust_env=False)
                return
            except httpx.TransportError:
                time.sleep(0.05)
        raise RuntimeError("influxd does not answer")

    def stop(self) -> None:
        """End it; what it holds stays."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(20)
            self._process = None
