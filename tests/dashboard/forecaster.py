"""A real forecaster as a child process, over windows on disk and a model version."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from fedsight.federated.versions import Metrics, ModelStore, RunKeeper
from fedsight.forecast.derived import UNITS
from fedsight.forecast.model import Forecaster, ModelShape
from fedsight.telemetry.windows.local import LocalWindows

STEP = 3_000_000_000
SHAPE = ModelShape(tuple(UNITS), hidden=8)
PREFIX = "scaphandre-metrics.scaph_host_"
Times = NDArray[np.int64]


def slots(count: int) -> Times:
    """So many slots, the last one now."""
    last = time.time_ns() // STEP
    return (np.arange(last - count + 1, last + 1) * STEP).astype(np.int64)


def rows(times: Times, seed: int) -> pd.DataFrame:
    """A machine whose load comes and goes, as a window has it."""
    phase = times / STEP
    wave = np.sin(phase / 17 + seed) + 0.4 * np.sin(phase / 5 + 2 * seed)
    noise = np.sin(phase * (seed + 3)) * 0.2
    load = 2 + seed / 2 + wave + noise
    columns = {
        "power_microwatts": (12 + 9 * load) * 1e6,
        "load_avg_one": load,
        "memory_total_bytes": np.full(len(times), 8e9),
        "memory_available_bytes": 5e9 - 2e8 * wave + 1e7 * noise,
    }
    named = {f"{PREFIX}{name}": values for name, values in columns.items()}
    return pd.DataFrame(named, index=pd.Index(times, name="time"))


def keep_model(data: Path, model: Forecaster, run: str = "r-0000000f", round: int = 20) -> None:
    """Put a model version where runs put theirs."""
    keeper = RunKeeper(ModelStore(data / "models"), run, "telemetry", 3, SHAPE.described())
    keeper.keep(round, model.state_dict(), Metrics.measured(None, 0.2))


def untrained() -> Forecaster:
    """A model that knows nothing."""
    return Forecaster(SHAPE, torch.Generator().manual_seed(0))


def metered(client: httpx.Client, nodes: dict[str, str], since: int, until: int) -> None:
    """Energy counters of nodes, by what their value comes from, every 3 s between two times."""
    times = list(range(since // STEP * STEP, until, STEP))
    series = [
        {
            "name": "scaph_host_energy_microjoules",
            "labels": {"node": node, "service": "scaphandre-metrics", "value_source": source},
        }
        for node, source in nodes.items()
    ]
    index = [at for at in range(len(series)) for _ in times]
    values = [9e7 * (at + 1) * step for at in range(len(series)) for step in range(len(times))]
    body = {"series": series, "index": index, "time": times * len(series), "value": values}
    answer = client.post("/api/v1/samples", params={"precision": "ns"}, json=body)
    assert answer.status_code == 200, answer.text


class ForecasterProcess:
    """Starts over what lies in `data`; looks every half second. Use as a context.

    What it tells goes to the collector of `data` at `collector_port`, by default to nobody.
    """

    def __init__(self, data: Path, collector_port: int = 1) -> None:
        self.data = data
        self.windows = LocalWindows(data / "windows")
        self._environment = {
            **os.environ,
            "FEDSIGHT_DATA": str(data),
            "FORECAST_INTERVAL_SECONDS": "0.5",
            "COLLECTOR_PORT": str(collector_port),
        }
        self.start()

    def start(self) -> None:
        """Returns once it listens."""
        command = [sys.executable, "-m", "fedsight", "serve", "forecast"]
        command += ["--port", "0", "--until-stdin-closes"]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=self._environment
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line.startswith("listening on "), f"the forecaster did not start: {line!r}"
        self.address = line.removeprefix("listening on ").strip()

    def kill(self) -> None:
        """As the kernel does when memory is short."""
        self._process.kill()
        self._process.communicate(timeout=20)

    def add(self, node: str, times: Times, seed: int) -> None:
        """Rows come."""
        self.windows.window(node).add_dataframe(rows(times, seed))

    def __enter__(self) -> ForecasterProcess:
        return self

    def __exit__(self, *_: Any) -> None:
        self._process.communicate(timeout=20)
