"""The series beside the sealed files, so that any tool can say what their numbers are."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from fedsight.collector.store.engine import quoted
from fedsight.collector.store.parquet import UNFINISHED, sync

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

FILE_NAME = "series.parquet"


def write_series(engine: DuckDBPyConnection, folder: Path, store: sqlite3.Connection) -> None:
    """Write all series anew: id, name, and labels as JSON.

    The store itself never reads this file; it may be a little behind. Raises what writing raises.
    """
    found = store.execute("SELECT id, name, labels FROM series ORDER BY id").fetchall()
    if not found:
        return
    ids, names, labels = zip(*found, strict=True)
    columns = {
        "series": np.array(ids, np.int32),
        "name": np.array(names, object),
        "labels": np.array(labels, object),
    }
    file = folder / FILE_NAME
    unfinished = file.with_name(file.name + UNFINISHED)
    engine.register("series_rows", columns)
    try:
        query = f"COPY series_rows TO {quoted(str(unfinished))} (FORMAT parquet, COMPRESSION zstd)"
        engine.execute(query).fetchall()
    finally:
        engine.unregister("series_rows")
    sync(unfinished)
    unfinished.rename(file)
    sync(folder)
