"""How long until the first round of `fedsight run` has ended, from nothing running.

The installed command in a process of its own, with an empty data directory: it imports torch and
flwr, starts its collector, loads the digits and trains. The disk cache is warm: one run before the
timed ones. A moment is when the command's line about it arrives.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from benchmarks.command import Say, run
from benchmarks.measuring import FEWEST_BLOCKS, Spread
from benchmarks.report import Findings, at_most
from fedsight.errors import FedsightError

LIMIT_SECONDS = 8.0
RUNS = FEWEST_BLOCKS

_ARGUMENTS = ("run", "--exit", "--rounds", "1", "--json", "--port", "0")
#: A smaller scale: a local epoch where the default has five.
_QUICK = ("--epochs", "1")


@dataclass(frozen=True)
class Start:
    """Seconds from starting the command."""

    dashboard: float
    first_round: float
    exit: float


def measure(quick: bool, say: Say) -> Findings:
    """Time the installed `fedsight run` to the end of its first round."""
    extra = _QUICK if quick else ()
    if not quick:
        say("once, to warm the disk cache")
        start(extra)
    starts = []
    for number in range(1, RUNS + 1):
        say(f"run {number} of {RUNS}")
        starts.append(start(extra))
    first_round = Spread.of([one.first_round for one in starts])
    figures = {
        "dashboard_seconds": Spread.of([one.dashboard for one in starts]),
        "first_round_seconds": first_round,
        "exit_seconds": Spread.of([one.exit for one in starts]),
    }
    target = at_most(
        "seconds from the command to the end of its first round", first_round.median, LIMIT_SECONDS
    )
    return Findings({"runs": RUNS, "local_epochs": 1 if quick else 5}, figures, [target])


def start(extra: tuple[str, ...]) -> Start:
    """Run the command once. Raises FedsightError with its last line where it fails."""
    with tempfile.TemporaryDirectory() as data:
        began = time.perf_counter()
        process = subprocess.Popen(
            [_command(), *_ARGUMENTS, *extra],
            env={**os.environ, "FEDSIGHT_DATA": data},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stderr is not None
        with process.stderr as lines:
            moments, last = _moments(lines, began)
        if process.wait() != 0 or {"dashboard", "1"} - moments.keys():
            raise FedsightError(f"fedsight run did not finish: {last}")
        return Start(moments["dashboard"], moments["1"], time.perf_counter() - began)


def _moments(lines: IO[str], began: float) -> tuple[dict[str, float], str]:
    """When the first line beginning with each word arrived, and the last line.

    A round's line begins with its number.
    """
    moments: dict[str, float] = {}
    last = ""
    for line in lines:
        last = line.strip() or last
        moments.setdefault(last.partition(" ")[0], time.perf_counter() - began)
    return moments, last


def _command() -> str:
    command = Path(sys.executable).with_name("fedsight")
    if not command.is_file():
        raise FedsightError("fedsight is not installed here; run: pip install 'fedsight[bench]'")
    return str(command)


if __name__ == "__main__":
    sys.exit(run("startup", measure))
