"""Telemetry that nobody measured: made by a formula, for demonstrations where history is missing.

Its nodes are called `generated-1`, `generated-2`, ..., so that they are known as such wherever
they are shown. A row is a pure function of the node's number and of its time: what is written as
history and what is written later fit together.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fedsight.forecast.scale import Array
from fedsight.telemetry.windows.rules import SCAPHANDRE

PREFIX = "generated-"
CORES = 8
IDLE_WATTS, FULL_WATTS = 12.0, 65.0
MEMORY_BYTES = 16e9


def name_of(number: int) -> str:
    """What the node of that number is called."""
    return f"{PREFIX}{number}"


def rows(number: int, times: NDArray[np.int64]) -> pd.DataFrame:
    """The node's rows at those times, Unix ns, with the columns of an exporter's window."""
    seconds = times / 1e9
    load = _load(number, seconds, times)
    busy = np.clip(load / CORES, 0, 1)
    watts = IDLE_WATTS + (FULL_WATTS - IDLE_WATTS) * busy**0.8
    used = MEMORY_BYTES * (0.3 + 0.05 * np.sin(seconds / 500 + number) + 0.2 * busy)
    host = f"{SCAPHANDRE}.scaph_host_"
    columns = {
        f"{host}power_microwatts": watts * 1e6,
        f"{host}load_avg_one": load,
        f"{host}memory_total_bytes": np.full(len(times), MEMORY_BYTES),
        f"{host}memory_available_bytes": MEMORY_BYTES - used,
    }
    return pd.DataFrame(columns, index=pd.Index(times, name="time", dtype="int64"))


def _load(number: int, seconds: Array, times: NDArray[np.int64]) -> Array:
    """A slow wave, a job that comes again and again, and noise; each node at a pace of its own."""
    period = 180.0 + 45.0 * number
    wave = 1.5 + np.sin(2 * np.pi * seconds / (3.1 * period) + number)
    job = 2.5 * (np.mod(seconds, period) < 0.35 * period)
    noise = [np.random.default_rng([number, int(one)]).normal(0, 0.15) for one in times]
    found: Array = np.maximum(wave + job + np.array(noise), 0.05)
    return found
