"""The peak memory of a round's aggregation, in a process of its own.

It is the second round, in which an algorithm has something to remember from the first. Updates are
made one at a time and given up: what is held beyond one of them is held by whoever averages. The
global model, which any server holds, was there before.
"""

from __future__ import annotations

import gc
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from flwr.app import Message
from flwr.clientapp import ClientApp
from flwr.serverapp.strategy import FedAvg as FlowerFedAvg
from flwr.serverapp.strategy import Strategy

from benchmarks.machine import ROOT
from benchmarks.updates import content, messages
from fedsight.errors import FedsightError
from fedsight.federated import codec
from fedsight.federated.algorithms import strategy
from fedsight.federated.engines.local_grid import LocalGrid, sites
from fedsight.federated.plan import AlgorithmPlan

FLOWER = "flower"

_STATUS = Path("/proc/self/status")
_CLEAR = Path("/proc/self/clear_refs")


@dataclass(frozen=True)
class Peak:
    """Memory at its peak beyond what was there before, in bytes and in models."""

    bytes: int
    models: float


def peak_of(name: str, size: int, count: int) -> Peak:
    """Of an algorithm, or of Flower's FedAvg, over `count` updates of `size` float32 values.

    Raises FedsightError where the process fails.
    """
    command = [sys.executable, "-m", "benchmarks.aggregation_memory", name, str(size), str(count)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise FedsightError(f"memory of {name} could not be measured: {done.stderr[-500:]}")
    found = int(done.stdout)
    return Peak(found, found / (4 * size))


def _measured(name: str, size: int, count: int) -> int:
    grid = LocalGrid(ClientApp(), sites(count, {}))
    chosen: Strategy = FlowerFedAvg()
    if name != FLOWER:
        chosen = strategy(AlgorithmPlan(name), nodes=count)
    model = np.ones(size, np.float32)
    before = _kilobytes("VmRSS")
    asked = messages(chosen, model, grid)
    chosen.aggregate_train(1, _arriving(asked, size))
    asked = messages(chosen, model, grid)
    gc.collect()
    _CLEAR.write_text("5")  # the peak begins anew here
    arrays, _ = chosen.aggregate_train(1, _arriving(asked, size))
    assert arrays is not None
    return 1024 * (_kilobytes("VmHWM") - before)


def _arriving(asked: list[Message], size: int) -> Iterator[Message]:
    for at, message in enumerate(asked):
        record = codec.pack(np.full(size, at, np.float32))
        yield Message(content(record, 10 + at), reply_to=message)
        del record


def _kilobytes(field: str) -> int:
    for line in _STATUS.read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1])
    raise FedsightError(f"this system does not tell {field}")


if __name__ == "__main__":
    print(_measured(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
