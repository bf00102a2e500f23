"""Small windows by hand: one row every 3 seconds, beginning at a moment that no clock chose."""

from __future__ import annotations

import numpy as np
import pandas as pd

INTERVAL = 3_000_000_000
SECOND = 1_000_000_000
#: The first slot, and a clock that stands a quarter of an hour later.
START = 1_795_000_001_234_567_890
NOW = START + 900 * SECOND

POWER = "scaphandre-metrics.scaph_host_power_microwatts"
LOAD = "scaphandre-metrics.scaph_host_load_avg_one"
NAN = float("nan")


def at(*slots: float) -> list[int]:
    """The times of slots; half a slot is half an interval later."""
    return [START + round(slot * INTERVAL) for slot in slots]


def rows(times: list[int], **columns: list[float]) -> pd.DataFrame:
    """Rows under `c.NAME`."""
    named = {f"c.{name}": values for name, values in columns.items()}
    return pd.DataFrame(named, index=pd.Index(times, name="time", dtype="int64"), dtype="float64")


def same(left: pd.DataFrame, right: pd.DataFrame) -> bool:
    """Whether two windows hold the same, whatever the order of their columns."""
    if sorted(left.columns) != sorted(right.columns) or not left.index.equals(right.index):
        return False
    return np.array_equal(left[right.columns].to_numpy(), right.to_numpy(), equal_nan=True)
