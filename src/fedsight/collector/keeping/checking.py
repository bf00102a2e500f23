"""Looks at every byte of a store: the database, and each sealed file against its row."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from fedsight.collector.store import manifest
from fedsight.collector.store.engine import open_engine
from fedsight.collector.store.manifest import Segment
from fedsight.collector.store.parquet import Origin, describe, digest
from fedsight.collector.store.schema import FILE_NAME

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

MEMORY_MB = 512


class Checked(NamedTuple):
    """What was looked at, and what is wrong with it; None where all is well."""

    name: str
    wrong: str | None


def verify(store: sqlite3.Connection, folder: Path) -> Iterator[Checked]:
    """Check the database, then each sealed file. Nothing is changed."""
    yield Checked(FILE_NAME, _database(store))
    yield Checked("hot samples", _hot(store))
    segments = manifest.segments(store)
    if not segments:
        return
    with open_engine(folder, threads=1, memory_mb=MEMORY_MB) as engine:
        for segment in segments:
            yield Checked(segment.file, _file(engine, folder / segment.file, segment))
    yield Checked("arrivals", _arrivals(manifest.raw(segments)))


def _database(store: sqlite3.Connection) -> str | None:
    try:
        found = store.execute("PRAGMA integrity_check(1)").fetchone()[0]
    except sqlite3.DatabaseError as error:
        return str(error)
    return None if found == "ok" else str(found)


def _hot(store: sqlite3.Connection) -> str | None:
    """Every column of a batch has as many entries as the batch says, and its series are known."""
    query = (
        "SELECT count(*) FROM sample_batches WHERE length(series) != 4 * n OR"
        " length(round) != 4 * n OR length(value) != 8 * n OR length(time) != 8 * n"
    )
    (bad,) = store.execute(query).fetchone()
    return f"{bad} batches have columns of different lengths" if bad else None


def _file(engine: DuckDBPyConnection, file: Path, row: Segment) -> str | None:
    import duckdb

    if not file.is_file():
        return "the file is missing"
    if file.stat().st_size != row.bytes:
        return f"has {file.stat().st_size} bytes instead of {row.bytes}"
    if digest(file) != row.sha256:
        return "its bytes have changed: the checksum is another"
    try:
        origin = Origin(row.level, row.first_batch, row.last_batch, row.source)
        found = describe(engine, file, row.step, origin)
        disorder = _out_of_order(engine, file, row.step)
    except duckdb.Error as error:
        return str(error)
    same = found._replace(id=row.id, created=row.created, spans=row.spans) == row
    if not same:
        return "its rows are not those that were sealed"
    return f"{disorder} rows are out of order or twice" if disorder else None


def _out_of_order(engine: DuckDBPyConnection, file: Path, step: int) -> int:
    keys = ("series", "time") if step else ("series", "time", "round")
    here, before = ", ".join(keys), ", ".join(f"before_{key}" for key in keys)
    lags = ", ".join(f"lag({key}) OVER () AS before_{key}" for key in keys)
    found = engine.execute(
        f"SELECT count(*) FROM (SELECT {here}, {lags} FROM read_parquet(?))"
        f" WHERE before_series IS NOT NULL AND NOT ({here}) > ({before})",
        [str(file)],
    ).fetchall()
    return int(found[0][0])


def _arrivals(raw: list[Segment]) -> str | None:
    """No batch was sealed twice."""
    reached = 0
    for segment in raw:
        if segment.first_batch <= reached:
            return f"{segment.file} was sealed from batches that another file has too"
        reached = segment.last_batch
    return None
