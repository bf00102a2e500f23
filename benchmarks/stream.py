"""The live stream to a thousand subscribers against the least that could send as much.

Both are served by uvicorn over uvloop with the same WebSocket protocol. Latency is from the
collector's commit, or from when the bare server has the message, to its receipt by each subscriber,
all of them in a process of their own, by the machine's one monotonic clock.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.command import Say, run
from benchmarks.machine import ROOT
from benchmarks.measuring import Spread, ratios, taking_turns
from benchmarks.report import Findings, Target, at_most, holds
from fedsight.errors import FedsightError

MOST_MS = 50.0
MOST_RATIO = 1.2
#: Messages a second.
RATE = 10.0
#: Seconds after the last message until what is missing counts as lost.
PATIENCE = 10.0


@dataclass(frozen=True)
class Scale:
    """How much is run."""

    blocks: int
    subscribers: int
    messages: int


FULL = Scale(blocks=5, subscribers=1000, messages=100)
QUICK = Scale(blocks=5, subscribers=100, messages=10)


@dataclass(frozen=True)
class Streamed:
    """One run: latencies in ms over all receipts, what was lost, and who was told of it."""

    p50: float
    p99: float
    most: float
    lost: int
    told: int
    server_cpu_seconds: float


def measure(quick: bool, say: Say) -> Findings:
    """Time 10 messages a second of 500 bytes to 1,000 WebSocket subscribers, and a bare server."""
    scale = QUICK if quick else FULL
    arms: dict[str, Callable[[], Streamed]] = {
        kind: partial(_streamed, kind, scale) for kind in ("bare", "collector")
    }
    found = taking_turns(arms, scale.blocks, say)
    return _findings(scale, found)


def _findings(scale: Scale, found: dict[str, list[Streamed]]) -> Findings:
    bare, ours = found["bare"], found["collector"]
    ratio = Spread.of(ratios(ours, bare, lambda each: each.p99))
    figures: dict[str, Any] = {
        "p99_ratio": ratio,
        "p50_ratio": Spread.of(ratios(ours, bare, lambda each: each.p50)),
        "cpu_ratio": Spread.of(ratios(ours, bare, lambda each: each.server_cpu_seconds)),
    }
    for kind, runs in found.items():
        figures |= {
            f"{kind}_p50_ms": Spread.of([each.p50 for each in runs]),
            f"{kind}_p99_ms": Spread.of([each.p99 for each in runs]),
            f"{kind}_most_ms": Spread.of([each.most for each in runs]),
            f"{kind}_lost": sum(each.lost for each in runs),
            f"{kind}_told": sum(each.told for each in runs),
        }
    described = {
        "blocks": scale.blocks,
        "subscribers": scale.subscribers,
        "messages": scale.messages,
        "messages_a_second": RATE,
    }
    lost = any(each.lost and not each.told for each in ours)
    p99 = Spread.of([each.p99 for each in ours]).median
    return Findings(described, figures, targets(p99, ratio.median, lost))


def targets(p99: float, ratio: float, lost: bool) -> list[Target]:
    """The promises, given the median p99 in ms, its ratio, and whether anything was lost."""
    return [
        at_most("p99 from commit to receipt, ms", p99, MOST_MS),
        at_most("p99 over the bare server's", ratio, MOST_RATIO),
        holds("none lost but those told so", not lost),
    ]


def _streamed(kind: str, scale: Scale) -> Streamed:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        file = folder / "received"
        size, messages = scale.subscribers, scale.messages
        server = _started(stack, "stream_server", kind, folder / "data", messages, RATE)
        port = _line(server)
        crowd = _started(stack, "stream_client", port, size, messages, file)
        if _line(crowd) != "ready":
            raise FedsightError("the subscribers could not connect")
        _tell(server)
        told = _told(crowd, messages / RATE + PATIENCE)
        server.terminate()
        said = json.loads(_line(server))
        received = np.fromfile(file, np.int64).reshape(-1, 3)
    published = np.full(messages, -1, np.int64)
    for number, when in said["published"].items():
        published[int(number)] = when
    return _result(received, published, scale, told, said["cpu_seconds"])


def _result(
    received: NDArray[np.int64],
    published: NDArray[np.int64],
    scale: Scale,
    told: int,
    cpu: float,
) -> Streamed:
    latency = (received[:, 2] - published[received[:, 1]]) / 1e6
    p50, p99 = np.percentile(latency, [50, 99]).tolist()
    lost = scale.subscribers * scale.messages - len(received)
    return Streamed(p50, p99, float(latency.max()), lost, told, cpu)


def _started(stack: ExitStack, module: str, *arguments: object) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-m", f"benchmarks.{module}", *map(str, arguments)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    stack.enter_context(process)
    stack.callback(process.kill)
    return process


def _line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    line = process.stdout.readline().strip()
    if not line:
        raise FedsightError(f"a process of the benchmark ended early: {process.args!r}")
    return line


def _tell(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def _told(crowd: subprocess.Popen[str], seconds: float) -> int:
    """How many subscribers were told of being slow, once all have come or the time is over."""
    end = threading.Timer(seconds, _tell, [crowd])
    end.start()
    try:
        return int(_line(crowd))
    finally:
        end.cancel()


if __name__ == "__main__":
    sys.exit(run("stream", measure))
