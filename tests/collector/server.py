"""A real collector process."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import msgspec

from fedsight.signals import Batch, Shipment

PROGRAM = """
import json, sys
import msgspec
from fedsight.collector.service import CollectorOptions, run
from fedsight.errors import FedsightError
try:
    options = json.loads(sys.argv[1])
    run(msgspec.convert(options, CollectorOptions, dec_hook=lambda kind, text: kind(text)))
except FedsightError as error:
    sys.exit(str(error))
"""
JSON = {"Content-Type": "application/json"}


def command(data: Path, **options: Any) -> list[str]:
    """What starts a collector on a free port."""
    settings = msgspec.json.encode({"port": 0, **options, "data": str(data)}).decode()
    return [sys.executable, "-W", "error", "-c", PROGRAM, settings]


def refused(data: Path, **options: Any) -> str:
    """The sentence with which a collector that cannot begin ends; it printed nothing else."""
    done = subprocess.run(command(data, **options), capture_output=True, text=True, timeout=30)
    assert done.returncode == 1
    assert done.stdout == ""
    return done.stderr.strip()


class Server:
    """A collector process that listens. Use as a context: it ends with SIGTERM."""

    def __init__(self, data: Path, **options: Any) -> None:
        self.data = data
        self.process = subprocess.Popen(
            command(data, **options),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        self.line = self.process.stdout.readline().strip()
        if not self.line:
            raise RuntimeError(self.process.communicate(timeout=10)[1])
        self.url = self.line.rpartition(" ")[2]
        self.token = (data / "token").read_text().strip()
        self.bearer = {"Authorization": f"Bearer {self.token}"}
        self.http = httpx.Client(base_url=self.url, trust_env=False, timeout=30)

    @property
    def ws_url(self) -> str:
        """The live stream's address."""
        return self.url.replace("http", "ws", 1) + "/ws/metrics"

    def get(self, path: str, **named: Any) -> Any:
        """The JSON of an answer that must be 200."""
        answer = self.http.get(path, **named)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def post(self, body: bytes, **headers: str) -> httpx.Response:
        """Send a body to ingest with the token."""
        all_headers = {**self.bearer, **JSON, **headers}
        return self.http.post("/api/v1/ingest", content=body, headers=all_headers)

    def send(self, journal: str, records: list[Batch], first_seq: int = 1) -> int:
        """Ship records; they must be accepted."""
        answer = self.post(msgspec.json.encode(Shipment(journal, first_seq, 1, records)))
        assert answer.status_code == 200, answer.text
        return int(answer.json()["next_seq"])

    def kill(self) -> None:
        """As the machine's memory killer would."""
        self.process.kill()
        self._close()

    def end(self, number: int = signal.SIGTERM) -> tuple[int, str]:
        """Ask it to end; its exit code and what it wrote to standard error."""
        self.process.send_signal(number)
        code = self.process.wait(15)
        assert self.process.stderr is not None
        said = self.process.stderr.read()
        self._close()
        return code, said

    def _close(self) -> None:
        self.http.close()
        self.process.wait(15)
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            if pipe is not None and not pipe.closed:
                pipe.close()

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.end()
        else:
            self._close()
