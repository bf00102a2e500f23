"""A run and the collector that goes away under it."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import httpx
import pytest

from tests.cli.command import TINY, line_with, started

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


def collector_of(run: int) -> int:
    """The process id of the collector that a run has started."""
    children = Path(f"/proc/{run}/task/{run}/children").read_text().split()
    assert len(children) == 1
    return int(children[0])


def answered(url: str) -> httpx.Response:
    """The answer, as soon as there is one."""
    deadline = time.monotonic() + 60
    while True:
        try:
            return httpx.get(url)
        except httpx.TransportError:
            assert time.monotonic() < deadline
            time.sleep(0.1)


def test_a_killed_collector_is_started_again_at_its_port_with_its_data(tmp_path: Path) -> None:
    with started(tmp_path / "data", "run", *TINY) as process:
        url = line_with(process, "dashboard at").split()[-1]
        run = line_with(process, "run r-").split()[1]
        line_with(process, "dashboard stays up at")
        os.kill(collector_of(process.pid), signal.SIGKILL)
        told = line_with(process, "ended by itself")
        assert answered(f"{url}/api/v1/runs/{run}").json()["state"] == "finished"
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)
    assert told == f"the collector ended by itself (signal 9); started it again at {url}\n"
    assert process.returncode == 0


def test_a_run_goes_on_with_its_own_collector_when_the_one_it_joined_ends(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with started(data, "serve", "collector", "--port", "0") as serving:
        url = line_with(serving, "listening on").split()[-1]
        long = [*TINY[:-4], "--rounds", "100000", "--epochs", "1"]
        with started(data, "run", *long, "--port", url.rsplit(":", 1)[1]) as process:
            run = line_with(process, "run r-").split()[1]
            line_with(process, "3/3")
            serving.send_signal(signal.SIGTERM)
            serving.communicate(timeout=30)
            assert "went away; started it again" in line_with(process, "the collector")
            assert answered(f"{url}/api/v1/runs/{run}").json()["state"] == "training"
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=60)
