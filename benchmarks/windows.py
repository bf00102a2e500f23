"""What windows of telemetry cost: a scrape of 100 nodes put into them, a batch, and one read.

Beside the local store stands what its disk costs alone: plain SQLite in the same mode, given bytes
that are ready, one row and one transaction for each node.
"""

from __future__ import annotations

import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.command import Say, run
from benchmarks.measuring import FEWEST_BLOCKS, Spread, ratios, taking_turns
from benchmarks.report import Findings, at_most
from fedsight.telemetry.windows import INTERVAL_NS, MAX_ROWS, LocalWindows, TimeSeriesData

NODES, COLUMNS = 100, 20
#: Rows of an agent's batch of three minutes.
BATCH = 60
#: A scrape may take a tenth of the 3 s until the next one.
MOST_SCRAPE_SECONDS, MOST_READ_SECONDS = 0.3, 0.005
BLOCKS = 2 * FEWEST_BLOCKS


class Ours:
    """The local store with full windows; each call brings the next rows."""

    def __init__(self, folder: Path, nodes: int) -> None:
        self.windows = LocalWindows(folder)
        self._handles: list[TimeSeriesData] = [
            self.windows.window(f"node-{number}") for number in range(nodes)
        ]
        self._next = 0
        self._begin = time.time_ns() - 10**6 * INTERVAL_NS
        self.add(MAX_ROWS)

    def add(self, rows: int) -> float:
        """Seconds for so many rows of every node."""
        names = [f"scaphandre-metrics.metric_{number}" for number in range(COLUMNS)]
        slots = np.arange(self._next, self._next + rows, dtype=np.int64)
        index = pd.Index(self._begin + slots * INTERVAL_NS, name="time")
        frames = [
            pd.DataFrame(np.random.rand(rows, COLUMNS), index=index, columns=names)
            for _ in self._handles
        ]
        self._next += rows
        began = time.perf_counter()
        for handle, df in zip(self._handles, frames, strict=True):
            handle.add_dataframe(df)
        return time.perf_counter() - began

    def read(self) -> float:
        """Seconds for one window, of the median of all nodes."""
        return statistics.median(seconds(handle.get_dataframe) for handle in self._handles)


def seconds(call: Callable[[], object]) -> float:
    """What a call takes."""
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


class Plain:
    """SQLite alone, with bytes that are ready."""

    def __init__(self, path: Path, nodes: int) -> None:
        self.db = sqlite3.connect(path, isolation_level=None)
        self.db.execute("PRAGMA journal_mode=WAL")
        self.db.execute("PRAGMA synchronous=NORMAL")
        self.db.execute(
            "CREATE TABLE row (node, time, value, PRIMARY KEY (node, time)) WITHOUT ROWID"
        )
        self._nodes, self._next = nodes, 0

    def add(self) -> float:
        """Seconds for one row of every node."""
        body, self._next = np.random.rand(COLUMNS).tobytes(), self._next + 1
        began = time.perf_counter()
        for node in range(self._nodes):
            self.db.execute("INSERT INTO row VALUES (?, ?, ?)", (node, self._next, body))
        return time.perf_counter() - began


def measure(quick: bool, say: Say) -> Findings:
    """Add rows to full windows, and read them."""
    nodes, blocks = (10, FEWEST_BLOCKS) if quick else (NODES, BLOCKS)
    with tempfile.TemporaryDirectory() as folder:
        ours, plain = Ours(Path(folder), nodes), Plain(Path(folder) / "plain.sqlite", nodes)
        with ours.windows, closing(plain.db):
            arms = {"ours": lambda: ours.add(1), "sqlite": plain.add}
            found = taking_turns(arms, blocks, say)
            batches = Spread.of([ours.add(BATCH) for _ in range(blocks)])
            reads = Spread.of([ours.read() for _ in range(blocks)])
    scrape = Spread.of(found["ours"])
    figures = {
        "scrape_seconds": scrape,
        "sqlite_seconds": Spread.of(found["sqlite"]),
        "over_sqlite": Spread.of(ratios(found["ours"], found["sqlite"], float)),
        "batch_seconds": batches,
        "read_seconds": reads,
    }
    scale = {"nodes": nodes, "columns": COLUMNS, "rows": MAX_ROWS, "batch_rows": BATCH}
    return Findings(
        {**scale, "blocks": blocks},
        figures,
        [
            at_most("seconds to add a scrape of all nodes", scrape.median, MOST_SCRAPE_SECONDS),
            at_most("seconds to read a window", reads.median, MOST_READ_SECONDS),
        ],
    )


if __name__ == "__main__":
    sys.exit(run("windows", measure))
