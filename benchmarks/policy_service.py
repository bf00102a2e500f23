"""The policy service as its command starts it, asked for checks at a steady rate."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import psutil

from benchmarks.command import Say
from benchmarks.policy_load import Asked, Order
from fedsight.errors import FedsightError
from fedsight.policy.files import default_texts

RATE, CONNECTIONS, SECONDS, QUICK_SECONDS = 500.0, 10, 10.0, 2.0
WARM_SECONDS = 1.0
CLIENTS = 1000


def checks_over_http(folder: Path, quick: bool, say: Say) -> dict[str, float]:
    """Milliseconds of checks at `RATE` a second, and what they cost the service.

    Raises FedsightError where a check is not answered with 200.
    """
    seconds = QUICK_SECONDS if quick else SECONDS
    with _serving(folder) as (process, port):
        token = (folder / "token").read_text().strip()
        _asked(Order(port, token, RATE, WARM_SECONDS, CONNECTIONS, CLIENTS))
        say(f"{RATE:.0f} checks a second over {CONNECTIONS} connections for {seconds:.0f} s")
        watched = psutil.Process(process.pid)
        before = _cpu(watched)
        found = _asked(Order(port, token, RATE, seconds, CONNECTIONS, CLIENTS))
        cpu = _cpu(watched) - before
    count = len(found.from_due)
    return {
        "checks over HTTP": count,
        "checks over HTTP, p50 from due: ms": statistics.median(found.from_due),
        "checks over HTTP, p99 from due: ms": _p99(found.from_due),
        "checks over HTTP, p50 from sending: ms": statistics.median(found.from_sending),
        "checks over HTTP, p99 from sending: ms": _p99(found.from_sending),
        "checks over HTTP, slowest from due: ms": max(found.from_due),
        "µs of the service's processor a check": cpu / count * 1e6,
        "µs of the asking process's processor a check": found.cpu_seconds / count * 1e6,
    }


def _p99(values: list[float]) -> float:
    return statistics.quantiles(values, n=100, method="inclusive")[98]


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


@contextmanager
def _serving(data: Path) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """The service on the default set, with an audit trail on disk. It ends with the context."""
    rules = data / "policy"
    rules.mkdir(parents=True)
    for name, text in default_texts().items():
        (rules / name).write_text(text, encoding="utf-8")
    command = [sys.executable, "-m", "fedsight", "serve", "policy", "--port", "0"]
    environment = {**os.environ, "FEDSIGHT_DATA": str(data)}
    with subprocess.Popen(
        [*command, "--until-stdin-closes"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
        cwd=data,
    ) as process:
        try:
            assert process.stdin is not None
            assert process.stdout is not None
            said = process.stdout.readline()
            if not said.startswith("listening on "):
                raise FedsightError("the policy service did not start")
            yield process, int(said.rsplit(":", 1)[1])
            process.stdin.close()
            process.wait(20)
        finally:
            process.kill()


def _asked(order: Order) -> Asked:
    """What a process of its own found that asks."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.policy_load"],
        input=msgspec.json.encode(order),
        capture_output=True,
        check=False,
        timeout=order.seconds + 60,
    )
    if done.returncode != 0:
        raise FedsightError(f"checks could not be asked for: {done.stderr.decode()[-500:]}")
    found = msgspec.json.decode(done.stdout, type=Asked)
    if found.problems:
        raise FedsightError(f"the policy service: {found.problems[0]}")
    return found
