"""A real Alertmanager, from Debian, on free ports; it sends what it is told to a webhook."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

import httpx

START_SECONDS = 30.0
CONFIG = """
route:
  receiver: hook
  group_by: ['...']
  group_wait: 0s
  group_interval: 1s
receivers:
  - name: hook
    webhook_configs:
      - url: {url}
        send_resolved: true
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class RealAlertmanager:
    """A process; use as a context. `alerts` is what it holds."""

    def __init__(self, folder: Path, receiver: str) -> None:
        program = shutil.which("prometheus-alertmanager")
        assert program is not None, "install Debian's prometheus-alertmanager"
        self._folder = folder
        folder.mkdir(exist_ok=True)
        (folder / "config.yml").write_text(CONFIG.format(url=receiver))
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._program = program
        self._start()

    def _start(self) -> None:
        self.process = subprocess.Popen(
            [
                self._program,
                f"--config.file={self._folder / 'config.yml'}",
                f"--storage.path={self._folder / 'data'}",
                f"--web.listen-address=127.0.0.1:{self.port}",
                "--cluster.listen-address=",
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        until = time.monotonic() + START_SECONDS
        while True:
            try:
                if httpx.get(f"{self.url}/-/ready", trust_env=False).status_code == 200:
                    return
            except httpx.HTTPError:
                assert time.monotonic() < until, "Alertmanager does not answer"
                assert self.process.poll() is None, "Alertmanager has ended"
            time.sleep(0.05)

    def alerts(self) -> list[dict[str, Any]]:
        """The alerts that fire there."""
        found: list[dict[str, Any]] = httpx.get(f"{self.url}/api/v2/alerts", trust_env=False).json()
        return found

    def restart(self) -> None:
        """End it, and begin again at the same port."""
        self.close()
        self._start()

    def close(self) -> None:
        """End it."""
        self.process.kill()
        self.process.wait()

    def __enter__(self) -> RealAlertmanager:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
