"""`fedsight serve agent` in a process of its own, at a test's pace."""

from __future__ import annotations

import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from tests.cli.command import line_with, started


class Agent:
    """A running agent: its figures and what it says."""

    def __init__(self, process: subprocess.Popen[str], address: str) -> None:
        self.process = process
        self.address = address
        self.said = ""
        self._reading = threading.Thread(target=self._read, daemon=True)
        self._reading.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.said += line

    def finish(self) -> None:
        """Read to the end what it says."""
        self._reading.join(10)

    def figures(self) -> dict[str, float]:
        """Its figures by name and labels, without their prefix."""
        lines = httpx.get(f"{self.address}/metrics").text.splitlines()
        parted = (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
        return {name.removeprefix("fedsight_agent_"): float(value) for name, value in parted}

    def interrupt(self) -> int:
        """Ctrl-C; the exit code."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(10)

    def kill(self) -> None:
        """kill -9."""
        self.process.kill()
        self.process.wait(10)


@contextmanager
def agent(data: Path, target: str, bridge: str, *arguments: str, **more: str) -> Iterator[Agent]:
    """Scrapes ten times a second and sends twice a second where `more` does not say otherwise."""
    pace = {
        "FEDSIGHT_AGENT_INTERVAL_SECONDS": "0.1",
        "FEDSIGHT_AGENT_BATCH_SECONDS": "0.5",
        "FEDSIGHT_AGENT_NODE": "node-1",
        "FEDSIGHT_AGENT_TARGETS": f"scaphandre-metrics={target}",
        "FEDSIGHT_AGENT_ENDPOINT": bridge,
    }
    command = ("serve", "agent", "--port", "0", *arguments)
    process = started(data, *command, **{**pace, **more})
    try:
        running = Agent(process, line_with(process, "listening on ").split()[-1])
        try:
            yield running
        finally:
            process.kill()
            running.finish()
    finally:
        process.kill()
        process.wait(10)
        for pipe in (process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()
