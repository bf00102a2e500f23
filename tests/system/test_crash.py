"""Killing either side of a run at random moments: whatever was told is there exactly once.

`FEDSIGHT_KILLS` says how many times; few by default, 20 in the measurement kept in docs/log.md.
"""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

KILLS = int(os.environ.get("FEDSIGHT_KILLS", "2"))
NODES = 6
FIRST_ROUND = r"^ *(1) +\d"
RUN = [
    *("run", "--task", "digits", "--nodes", str(NODES), "--epochs", "1"),
    *("--rounds", "100000", "--exit"),
]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(60 + 40 * KILLS)]


class Command:
    """`python -m fedsight ...` on a data directory; what it says goes to a file, never blocking."""

    def __init__(self, data: Path, *arguments: str) -> None:
        self._said = data / f"said-{time.time_ns()}.txt"
        with self._said.open("wb") as said:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "fedsight", *arguments],
                env={**os.environ, "FEDSIGHT_DATA": str(data), "PYTHONUNBUFFERED": "1"},
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def said(self) -> str:
        """All lines so far that are whole."""
        text = self._said.read_text()
        return text[: text.rfind("\n") + 1]

    def line(self, pattern: str, seconds: float = 60) -> str:
        """The first group of the first line that matches, as soon as there is one."""
        deadline = time.monotonic() + seconds
        while True:
            last_look = self.process.poll() is not None or time.monotonic() > deadline
            if found := re.search(pattern, self.said, re.MULTILINE):
                return found[1]
            if last_look:
                raise AssertionError(f"no line {pattern!r} in {self.said[-500:]!r}")
            time.sleep(0.02)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@contextmanager
def fedsight(data: Path, *arguments: str) -> Iterator[Command]:
    """A command that is ended if it has not ended by itself."""
    command = Command(data, *arguments)
    try:
        yield command
    finally:
        command.kill()


@contextmanager
def collector(data: Path, port: int = 0) -> Iterator[tuple[Command, str]]:
    with fedsight(data, "serve", "collector", "--port", str(port)) as command:
        yield command, command.line(r"listening on (http://\S+)")


def whole(url: str, run: str) -> tuple[Counter[int], Counter[tuple[int, str]]]:
    """How often each round, and each client's row of a round, stands in the store."""
    rounds = columns(url, run, "rounds")["round"]
    clients = columns(url, run, "clients")
    names = clients["node"]["dictionary"]
    pairs = zip(clients["round"], clients["node"]["index"], strict=True)
    return Counter(rounds), Counter((round_, names[at]) for round_, at in pairs)


def columns(url: str, run: str, what: str) -> dict:  # type: ignore[type-arg]
    answer = httpx.get(f"{url}/api/v1/runs/{run}/{what}?layout=columns&limit=1000000", timeout=30)
    assert answer.status_code == 200, answer.text
    found: dict = answer.json()["columns"]  # type: ignore[type-arg]
    return found


def assert_exactly_once(url: str, run: str, acknowledged: int) -> None:
    rounds, clients = whole(url, run)
    assert set(rounds.values()) <= {1}
    assert set(clients.values()) <= {1}
    assert sorted(rounds) == list(range(1, len(rounds) + 1))
    assert len(rounds) >= acknowledged
    assert set(clients) == {(r, f"client-{n}") for r in rounds for n in range(NODES)}


def test_a_killed_training_process_leaves_every_round_it_told_of_exactly_once(
    tmp_path: Path,
) -> None:
    moments = random.Random(1)
    for _ in range(KILLS):
        with fedsight(tmp_path, *RUN, "--port", "0") as training:
            run = training.line(r"run (r-\w+)")
            training.line(FIRST_ROUND)
            time.sleep(moments.uniform(0, 1.5))
            training.kill()
            told = re.findall(r"^ *(\d+) +\d", training.said, re.MULTILINE)
        acknowledged = max(int(round_) for round_ in told)
        with collector(tmp_path) as (_, url):
            state = wait_for_end(url, run)
            assert state == "interrupted"
            assert_exactly_once(url, run, acknowledged)


def wait_for_end(url: str, run: str) -> str:
    """The run's state once it is no longer training."""
    deadline = time.monotonic() + 30
    state = "unknown"
    while time.monotonic() < deadline:
        answer = httpx.get(f"{url}/api/v1/runs/{run}")
        state = answer.json().get("state", "unknown")
        if state not in {"training", "unknown"}:
            break
        time.sleep(0.1)
    return state


def test_a_killed_collector_loses_and_doubles_nothing(tmp_path: Path) -> None:
    moments = random.Random(2)
    with collector(tmp_path) as (first, url):
        port = int(url.rsplit(":", 1)[1])
        with fedsight(tmp_path, *RUN, "--port", str(port)) as training:
            run = training.line(r"run (r-\w+)")
            training.line(FIRST_ROUND)
            kill_soon(first, moments)
            for _ in range(KILLS - 1):
                with collector(tmp_path, port) as (again, _):
                    kill_soon(again, moments)
            with collector(tmp_path, port) as (_, url):
                training.process.send_signal(signal.SIGINT)
                last = int(training.line(r"interrupted .* after (\d+) rounds"))
                training.process.wait(30)
                assert wait_for_end(url, run) == "interrupted"
                assert_exactly_once(url, run, last)


def kill_soon(command: Command, moments: random.Random) -> None:
    time.sleep(moments.uniform(0.05, 2))
    command.kill()
