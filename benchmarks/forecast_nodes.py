"""Whose series the forecasting benchmark foresees: sets of nodes, read or made up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fedsight.errors import SeriesError
from fedsight.forecast.accuracy import naive_error
from fedsight.forecast.model import ModelShape
from fedsight.forecast.processor import NodeData, prepared
from fedsight.forecast.scale import Array
from fedsight.forecast.sequences import Split, origins
from fedsight.forecast.series import read, read_folder

METRIC = "value"
SHAPE = ModelShape((METRIC,))
#: The naive error of MASE is that of the rows before the test part.
NAIVE_PERCENT = 80

CHOSEN, UNSEEN, TELEMETRY, MADE_UP = "chosen_on", "unseen", "telemetry", "made_up"
#: Which files of the folder are nodes of which set, and their units.
FILES: Mapping[str, Mapping[str, str]] = {
    CHOSEN: {"ec2_cpu_utilization_*": "%"},
    UNSEEN: {"rds_*": "%", "ec2_network_in_*": "B", "ec2_disk_write_bytes_*": "B"},
}
#: Rows of a season: a day of five minutes, five minutes of 3 s.
PERIODS: Mapping[str, int] = {CHOSEN: 288, UNSEEN: 288, TELEMETRY: 100, MADE_UP: 96}


@dataclass(frozen=True)
class Node:
    """One series, split in time; `at` are the rows of the test that forecasts start from.

    Training and validation cross no gap. The test takes every row as the next one, so that all
    nodes and methods have the same number of origins.
    """

    name: str
    unit: str
    data: NodeData
    at: NDArray[np.int64]
    naive: float

    @property
    def series(self) -> Array:
        """All rows, in real units, (n,)."""
        return self.data.values[:, 0]

    def came(self, at: NDArray[np.int64]) -> Array:
        """What came after the rows `at`, (n, horizon)."""
        return self.series[at[:, None] + np.arange(1, SHAPE.horizon + 1)]


def nodes(which: str, source: Path | None, quick: bool) -> list[Node]:
    """The nodes of one set; `source` is the folder of series, or the recorded telemetry's file."""
    if which == MADE_UP or source is None:
        found = [_node(name, "", table) for name, table in _made_up(quick).items()]
    elif which == TELEMETRY:
        found = [_node(name, *each) for name, each in recorded(source).items()]
    else:
        found = [
            _node(name, unit, table.rename(columns={table.columns[0]: METRIC}))
            for pattern, unit in FILES[which].items()
            for name, table in read_folder(source, f"{pattern}.csv").items()
        ]
    return found[:3] if quick else found


def _node(name: str, unit: str, table: pd.DataFrame) -> Node:
    try:
        data = prepared(table, SHAPE)
        naive = naive_error(data.values[: len(table) * NAIVE_PERCENT // 100, 0])
    except SeriesError as error:
        raise SeriesError(f"{name}: {error}") from error
    at = origins(Split().parts(len(table))[2], np.zeros(len(table), np.int64), SHAPE)
    return Node(name, unit, data, at, naive)


def recorded(path: Path) -> dict[str, tuple[str, pd.DataFrame]]:
    """A machine's telemetry, a row each 3 s, as five series: each metric stands for a node.

    Columns: busy_seconds, all_seconds, disk_read, disk_written, net_in and net_out count up;
    load1, memory_total and memory_available do not.
    """
    table = read(path)
    seconds = np.diff(table.index.to_numpy(np.int64)) / 1e9
    grown = table.diff().iloc[1:]
    now = table.iloc[1:]
    found = {
        "cpu": ("%", 100 * grown["busy_seconds"] / grown["all_seconds"]),
        "load": ("", now["load1"]),
        "memory": ("MB", (now["memory_total"] - now["memory_available"]) / 1e6),
        "network": ("kB/s", (grown["net_in"] + grown["net_out"]) / seconds / 1e3),
        "disk": ("kB/s", (grown["disk_read"] + grown["disk_written"]) / seconds / 1e3),
    }
    return {name: (unit, column.to_frame(METRIC)) for name, (unit, column) in found.items()}


def _made_up(quick: bool) -> dict[str, pd.DataFrame]:
    """Levels that jump, days, and noise, where there is no folder."""
    rows = 1500 if quick else 4000
    found = {}
    for seed in range(6):
        rng = np.random.default_rng(seed)
        jumps = np.where(rng.random(rows) < 0.004, rng.standard_normal(rows) * 4, 0).cumsum()
        day = np.sin(np.arange(rows) * 2 * np.pi / 96 + seed) * rng.random() * 2
        values = 50 + jumps + day + rng.standard_normal(rows)
        time = pd.Index(np.arange(rows, dtype=np.int64) * 300 * 10**9, name="time")
        found[f"made-up-{seed}"] = pd.DataFrame({METRIC: values}, index=time)
    return found
