"""A real collector as a child process, on a port of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import httpx

SERVE = """
import sys
from pathlib import Path
from fedsight.collector.alerts.options import AlertOptions
from fedsight.collector.alerts.threshold import ThresholdRule
from fedsight.collector.service import CollectorOptions, run

few = ThresholdRule(
    "few_samples", "fl_samples_per_round", window_seconds=86400, below=float(sys.argv[4])
)
run(
    CollectorOptions(
        data=Path(sys.argv[1]),
        port=int(sys.argv[2]),
        until_stdin_closes=True,
        fl_server_url=sys.argv[3],
        forecast_url=sys.argv[5],
        policy_url=sys.argv[6],
        alerts=AlertOptions(rules=(few,), rule_seconds=0.5),
    )
)
"""


#: Where no FL server is: nobody listens on port 1.
NOWHERE = "http://127.0.0.1:1"


class CollectorProcess:
    """Starts, stops and starts again on the same port and data directory.

    Where a round's samples are fewer than `fewest`, it has an alert.
    """

    def __init__(
        self,
        data: Path,
        fl_server_url: str = NOWHERE,
        fewest: int = 0,
        forecast_url: str = NOWHERE,
        policy_url: str = NOWHERE,
    ) -> None:
        self.data = data
        self.fewest = fewest
        self.fl_server_url = fl_server_url
        self.forecast_url = forecast_url
        self.policy_url = policy_url
        self.port = 0
        self._process: subprocess.Popen[str] | None = None
        self.start()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Returns once it listens."""
        command = [sys.executable, "-c", SERVE, str(self.data), str(self.port)]
        command += [self.fl_server_url, str(self.fewest), self.forecast_url]
        command.append(self.policy_url)
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line.startswith("listening on "), f"the collector did not start: {line!r}"
        self.port = int(line.rsplit(":", 1)[1])

    def stop(self) -> None:
        """End it, if it runs, and wait for it."""
        if self._process is None:
            return
        process, self._process = self._process, None
        process.communicate(timeout=20)

    def client(self) -> httpx.Client:
        """A client that may write."""
        token = (self.data / "token").read_text().strip()
        headers = {"authorization": f"Bearer {token}"}
        return httpx.Client(base_url=self.address, headers=headers, timeout=30)
