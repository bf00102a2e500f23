"""A real collector process that watches what its configuration says."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import httpx

from tests.collector.server import Server

NOWHERE = "http://127.0.0.1:1"
#: Looks often, and at nothing that a test does not name.
TABLES = """
data = "{data}"
[monitors]
interval_seconds = 0.2
host_interval_seconds = 0.2
{monitors}
[services]
fl_server_url = "{fl}"
policy_engine_url = "{policy}"
sdn_controller_url = "{network}"
"""


class WatchingServer(Server):
    """A collector of `fedsight serve collector`. Use as a context: it ends with SIGTERM.

    With `environment` that alone says what is watched, and how.
    """

    def __init__(
        self,
        data: Path,
        *,
        fl: str = NOWHERE,
        policy: str = NOWHERE,
        network: str = NOWHERE,
        monitors: str = "",
        more: str = "",
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.data = data
        tables = TABLES.format(data=data, fl=fl, policy=policy, network=network, monitors=monitors)
        config = data.parent / f"{data.name}.toml"
        config.write_text(tables + more if environment is None else f'data = "{data}"\n')
        words = ["-m", "fedsight", "serve", "collector", "--port", "0", "--config", str(config)]
        self.process = subprocess.Popen(
            [sys.executable, "-W", "error", "-W", "ignore::DeprecationWarning", *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "LOG_LEVEL": "WARNING", **(environment or {})},
        )
        assert self.process.stdout is not None
        self.line = self.process.stdout.readline().strip()
        if not self.line:
            raise RuntimeError(self.process.communicate(timeout=10)[1])
        self.url = self.line.rpartition(" ")[2]
        self.token = (data / "token").read_text().strip()
        self.bearer = {"Authorization": f"Bearer {self.token}"}
        self.http = httpx.Client(base_url=self.url, trust_env=False, timeout=30)

    def __enter__(self) -> WatchingServer:
        return self

    def monitor(self, name: str) -> dict[str, Any]:
        """The row of one monitor."""
        rows = self.get("/api/v1/monitors")["monitors"]
        return next(row for row in rows if row["name"] == name)

    def until(self, condition: Callable[[], object], seconds: float = 20.0) -> None:
        """Wait until it holds."""
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, self.get("/api/v1/monitors")
            time.sleep(0.02)

    def figure(self, text: str) -> float:
        """The value of a line of `/metrics`, which begins with `text`."""
        lines = self.http.get("/metrics").text.splitlines()
        return next(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(text))

    def values(self, name: str, labels: str = "") -> list[float]:
        """What is stored of the one series with that name and labels; none where there is none."""
        asked = {"name": name, **({"labels": labels} if labels else {})}
        found = self.get("/api/v1/query", params=asked)["series"]
        assert len(found) <= 1, found
        return [value for series in found for value in series["values"]]

    def looked(self, name: str, successes: int = 1) -> None:
        """Wait for so many more good looks of a monitor."""
        wanted = self.monitor(name)["successes"] + successes
        self.until(lambda: self.monitor(name)["successes"] >= wanted)
