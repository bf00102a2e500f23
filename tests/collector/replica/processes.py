"""Real collector processes on one data directory, started as a person starts them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import msgspec

from fedsight.signals import Batch, Shipment


class Process:
    """`fedsight serve collector` with more flags; use as a context."""

    def __init__(
        self,
        data: Path,
        *flags: str,
        redis: int | None = None,
        influx: int | None = None,
        port: int = 0,
    ) -> None:
        self.data = data
        known = {key: value for key, value in os.environ.items() if not key.startswith("FEDSIGHT")}
        environment = {**known, "FEDSIGHT_DATA": str(data), "ENABLE_ANOMALY_DETECTION": "false"}
        if redis is not None:
            environment |= {
                "FEDSIGHT_CACHE_BACKEND": "redis",
                "REDIS_HOST": "127.0.0.1",
                "REDIS_PORT": str(redis),
            }
        if influx is not None:
            environment |= {
                "FEDSIGHT_STORE_BACKEND": "influxdb",
                "INFLUXDB_HOST": "127.0.0.1",
                "INFLUXDB_PORT": str(influx),
            }
        self.process = subprocess.Popen(
            [sys.executable, "-m", "fedsight", "serve", "collector", "--port", str(port), *flags],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline().strip()
        if not line:
            raise RuntimeError(self.process.communicate(timeout=10)[1])
        self.url = line.rpartition(" ")[2]
        self.http = httpx.Client(base_url=self.url, trust_env=False, timeout=30)

    @property
    def ws_url(self) -> str:
        """The live stream's address."""
        return self.url.replace("http", "ws", 1) + "/ws/metrics"

    def get(self, path: str) -> Any:
        """The JSON of an answer that must be 200."""
        answer = self.http.get(path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def send(self, journal: str, records: list[Batch], first_seq: int = 1) -> httpx.Response:
        """Ship records."""
        token = (self.data / "token").read_text().strip()
        return self.http.post(
            "/api/v1/ingest",
            content=msgspec.json.encode(Shipment(journal, first_seq, 1, records)),
            headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
        )

    def kill(self) -> None:
        """As the kernel would."""
        self._end(signal.SIGKILL)

    def _end(self, how: signal.Signals) -> None:
        self.http.close()
        if self.process.poll() is None:
            self.process.send_signal(how)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(20)
            raise
        finally:
            for pipe in (self.process.stdout, self.process.stderr):
                if pipe is not None:
                    pipe.close()

    def __enter__(self) -> Process:
        return self

    def __exit__(self, *_: object) -> None:
        self._end(signal.SIGTERM)
