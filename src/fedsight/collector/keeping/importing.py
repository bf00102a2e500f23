"""Puts what was exported into a store: all of it in one transaction, or nothing."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import msgspec
import numpy as np

from fedsight.collector.keeping import tables
from fedsight.collector.keeping.exporting import FORMAT, INDEX, SERIES, SPANS, Index
from fedsight.collector.keeping.opened import Changing
from fedsight.collector.store import manifest
from fedsight.collector.store.engine import open_engine, quoted
from fedsight.collector.store.hot_rows import batches
from fedsight.collector.store.manifest import STEPS, Segment
from fedsight.collector.store.parquet import Origin, write
from fedsight.collector.store.rollups import drop
from fedsight.collector.store.schema import connect_reader
from fedsight.collector.store.settling import all_or_none
from fedsight.door.refusal import RefusedError
from fedsight.door.times import LATEST
from fedsight.errors import StoreError
from fedsight.signals import Series, series_key

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

MEMORY_MB = 768
FILE = re.compile(r"^(samples|rollup-(1m|5m|1h))-(\d{5})\.parquet$")
TABLE = re.compile(r"^[a-z_]{1,64}$")
LENGTHS = {name: step for step, name in STEPS.items()}
Tell = Callable[[str], object]


class _New(NamedTuple):
    """A series of the folder: its id there and here; `key` is None where this store has it."""

    there: int
    here: int
    key: str | None
    series: Series


def import_(target: Changing, source: Path, tell: Tell = lambda _: None) -> Index:
    """Add a folder's contents to a store that no collector has open.

    A whole store needs an empty one, a run one that does not have it. Raises StoreError; then
    nothing has changed.
    """
    index = read_index(source)
    folder = target.archive.sealed.folder
    folder.mkdir(mode=0o700, exist_ok=True)
    source = source.resolve()
    with open_engine(folder, threads=1, memory_mb=MEMORY_MB, also=source) as engine:
        with closing(connect_reader(target.file)) as store:
            series, first = _numbered(store, index, engine, source), _next_batch(store)
        made = _files(engine, folder, source, index, series, first, tell)
    try:
        target.settling.change(lambda store: _put(store, source, index, series, made), made)
    except RefusedError as refused:
        raise StoreError(str(refused)) from refused
    target.ingest.series_ids.forget()
    return index


def read_index(source: Path) -> Index:
    """What a folder says of itself. Raises StoreError where it is none of ours, or not whole."""
    file = source / INDEX
    try:
        index = msgspec.json.decode(file.read_bytes(), type=Index)
    except OSError as error:
        raise StoreError(
            f"{source} is no whole export: cannot read {file}: {error.strerror}"
        ) from error
    except msgspec.MsgspecError as error:
        raise StoreError(f"{file}: {error}") from error
    if index.format != FORMAT:
        raise StoreError(f"{file} has format {index.format}; this fedsight reads {FORMAT}")
    for name in [*index.sample_files, *index.rollup_files]:
        if not FILE.match(name):
            raise StoreError(f"{file} names {name!r}, which no export has")
    for name in index.tables:
        if not TABLE.match(name):
            raise StoreError(f"{file} names the table {name!r}, which no store has")
    return index


def _numbered(
    store: sqlite3.Connection, index: Index, engine: DuckDBPyConnection, source: Path
) -> list[_New]:
    """The folder's series with their ids here; checks first that there is room for it."""
    _check_room(store, index)
    found = _query(engine, f"SELECT series, name, labels FROM {_read(source / SERIES)}").fetchall()
    free = int(store.execute("SELECT coalesce(max(id), 0) FROM series").fetchone()[0])
    numbered = []
    for there, name, labels in found:
        try:
            series = msgspec.convert(
                {"name": name, "labels": msgspec.json.decode(labels)}, type=Series
            )
        except msgspec.MsgspecError as error:
            raise StoreError(f"{source / SERIES}: series {there}: {error}") from error
        key = series_key(series.name, series.labels)
        held = store.execute("SELECT id FROM series WHERE key = ?", (key,)).fetchone()
        if held is None:
            free += 1
        here = free if held is None else int(held[0])
        numbered.append(_New(there, here, key if held is None else None, series))
    return numbered


def _check_room(store: sqlite3.Connection, index: Index) -> None:
    if index.run is not None:
        if store.execute("SELECT 1 FROM runs WHERE id = ?", (index.run,)).fetchone():
            raise StoreError(f"the store already has run {index.run}")
        return
    for table in ("runs", "series", "journals"):
        if store.execute(f"SELECT 1 FROM {table} LIMIT 1").fetchone():
            raise StoreError(
                "the store is not empty: a whole store is imported into an empty data directory"
                " (set FEDSIGHT_DATA), or run by run (export with --run)"
            )


def _next_batch(store: sqlite3.Connection) -> int:
    sealed = store.execute("SELECT coalesce(max(last_batch), 0) FROM segments").fetchone()[0]
    return 1 + max(int(sealed), batches(store)[1])


def _files(
    engine: DuckDBPyConnection,
    folder: Path,
    source: Path,
    index: Index,
    series: list[_New],
    first: int,
    tell: Tell,
) -> list[Segment]:
    """The folder's samples and roll-ups as sealed files of this store."""
    numbers = {
        "there": np.array([each.there for each in series], np.int32),
        "here": np.array([each.here for each in series], np.int32),
    }
    engine.register("numbers", numbers)
    made: list[Segment] = []
    with all_or_none(folder, made):
        for name in [*index.sample_files, *index.rollup_files]:
            match = FILE.match(name)
            assert match is not None  # read_index looked
            step = LENGTHS[match[2]] if match[2] else 0
            batch = first + int(match[3]) + (len(index.sample_files) if step else 0)
            _check_rows(engine, source / name, step)
            columns = "sum, count, min, max, last, last_time" if step else "round, value"
            order = "series, time" if step else "series, time, round"
            query = (
                f"SELECT numbers.here AS series, time, {columns} FROM {_read(source / name)} AS f"
                f" JOIN numbers ON numbers.there = f.series ORDER BY {order}"
            )
            made.append(write(engine, folder, query, step, Origin(0, batch, batch)))
            tell(f"{name}: {made[-1].n:,} rows")
    drop(folder, [segment for segment in made if not segment.n])
    return [segment for segment in made if segment.n]


def _check_rows(engine: DuckDBPyConnection, file: Path, step: int) -> None:
    """Values as `signals` has them, of series that the folder names, each once."""
    values = ["sum", "min", "max", "last"] if step else ["value"]
    finite = " AND ".join(f"isfinite({value})" for value in values)
    more = "count > 0" if step else "round BETWEEN -1 AND 1000000000"
    keys = "series, time" if step else "series, time, round"
    bad = _query(
        engine,
        f"SELECT count(*) FILTER (WHERE NOT coalesce({finite} AND {more} AND time >= 0"
        f" AND time <= {LATEST} AND series IN (SELECT there FROM numbers), false))"
        f" FROM {_read(file)}",
    ).fetchall()[0][0]
    if bad:
        raise StoreError(f"{file}: {bad} rows have values out of range or of an unknown series")
    twice = _query(
        engine, f"SELECT 1 FROM {_read(file)} GROUP BY {keys} HAVING count(*) > 1 LIMIT 1"
    ).fetchall()
    if twice:
        raise StoreError(f"{file}: a sample stands there twice")


def _read(file: Path) -> str:
    return f"read_parquet({quoted(str(file))})"


def _query(engine: DuckDBPyConnection, query: str) -> DuckDBPyConnection:
    import duckdb

    try:
        return engine.execute(query)
    except duckdb.Error as error:
        raise StoreError(f"cannot read the export: {error}") from error


def _put(
    store: sqlite3.Connection,
    source: Path,
    index: Index,
    series: list[_New],
    made: list[Segment],
) -> None:
    """Everything but the files, which are there already."""
    for each in series:
        if each.key is not None:
            _add_series(store, each)
    try:
        _put_rows(store, source, index)
    except StoreError as error:
        raise RefusedError(422, "bad_export", str(error)) from error
    for segment in made:
        manifest.add(store, segment)


def _put_rows(store: sqlite3.Connection, source: Path, index: Index) -> None:
    for table in index.tables:
        if table != SPANS and table not in tables.names(store):
            raise StoreError(f"{source / INDEX} names the table {table!r}, which no store has")
    for table in index.tables:
        file = source / f"{table}.jsonl"
        if table == SPANS:
            tables.put_spans(store, file)
        else:
            tables.put(store, table, file, given=index.run is not None)


def _add_series(store: sqlite3.Connection, new: _New) -> None:
    labels = new.series.labels
    store.execute(
        "INSERT INTO series (id, key, name, labels, run, node) VALUES (?, ?, ?, ?, ?, ?)",
        (
            new.here,
            new.key,
            new.series.name,
            msgspec.json.encode(labels).decode(),
            labels.get("run"),
            labels.get("node"),
        ),
    )
