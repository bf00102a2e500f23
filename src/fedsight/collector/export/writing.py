"""Tables of an export as files: lines of JSON, CSV or Parquet, written by DuckDB.

Everything streams: rows through a file of JSON lines, samples through Parquet files of one piece
each, and DuckDB works within a bound on its memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fedsight.collector.csv_cells import text_column
from fedsight.collector.export.request import Format, TableName
from fedsight.collector.export.samples import Piece, label_columns

if TYPE_CHECKING:
    import duckdb

SUFFIX: dict[Format, str] = {"json": ".jsonl", "csv": ".csv", "parquet": ".parquet"}
WRITTEN: dict[Format, str] = {
    "json": "FORMAT json",
    "csv": "FORMAT csv, HEADER",
    "parquet": "FORMAT parquet, COMPRESSION zstd",
}
#: Columns that hold a time.
TIMES = frozenset({"time", "start", "started", "ended", "last_seen"})
#: RFC 3339 with all nine digits.
AS_TEXT = "strftime({0}, '%Y-%m-%dT%H:%M:%S.%nZ')"

TIMESTAMP_NS = "TIMESTAMP_NS"
LABELS = {"name": "VARCHAR", "run": "VARCHAR", "node": "VARCHAR"}
RAW = {"time": TIMESTAMP_NS, **LABELS, "round": "INTEGER", "value": "DOUBLE", "labels": "JSON"}
FIGURES = dict.fromkeys(("sum", "min", "max", "last", "mean"), "DOUBLE")
WINDOWED = {"time": TIMESTAMP_NS, **LABELS, "count": "BIGINT", **FIGURES, "labels": "JSON"}


@dataclass(frozen=True, slots=True)
class TableFile:
    """A table that was written: its file, its rows, and its columns with their SQL types."""

    name: TableName
    path: Path
    rows: int
    columns: Mapping[str, str]


@contextmanager
def engine(folder: Path, memory_mb: int = 512) -> Iterator[duckdb.DuckDBPyConnection]:
    """A DuckDB of its own that keeps to so much memory, spills into `folder`, fetches nothing."""
    import duckdb

    quiet: dict[str, str | bool | int | float | list[str]] = {
        "autoinstall_known_extensions": "false",
        "autoload_known_extensions": "false",
    }
    with duckdb.connect(config=quiet) as connection:
        connection.execute("SET threads = 1")
        connection.execute(f"SET memory_limit = '{memory_mb}MB'")
        connection.execute(f"SET temp_directory = {quoted(folder)}")
        yield connection


def quoted(path: Path) -> str:
    """A path as SQL text."""
    return "'" + str(path).replace("'", "''") + "'"


def converted(
    db: duckdb.DuckDBPyConnection,
    lines: Path,
    columns: Mapping[str, str],
    form: Format,
    target: Path,
) -> None:
    """Turn a file of JSON lines into a table's file; with no line, into one without rows."""
    if form == "json":
        lines.replace(target)
        return
    read = {name: "VARCHAR" if kind == "JSON" else kind for name, kind in columns.items()}
    types = ", ".join(f"'{name}': '{kind}'" for name, kind in read.items())
    kept = ", ".join(_typed(name, kind, form) for name, kind in read.items())
    source = f"read_json({quoted(lines)}, format = 'newline_delimited', columns = {{{types}}})"
    db.execute(f"COPY (SELECT {kept} FROM {source}) TO {quoted(target)} ({WRITTEN[form]})")


def _typed(name: str, kind: str, form: Format) -> str:
    """A column as the format has it: Parquet knows times, CSV keeps their text."""
    if form == "csv" and kind == "VARCHAR" and name not in TIMES:
        quoted_name = f'"{name}"'
        return f"{text_column(quoted_name)} AS {quoted_name}"
    if form == "parquet" and name in TIMES:
        return f'"{name}"::TIMESTAMP_NS AS "{name}"'
    return f'"{name}"'


def write_piece(db: duckdb.DuckDBPyConnection, piece: Piece, target: Path) -> None:
    """One piece of samples as a Parquet file, with its labels beside every row."""
    import numpy as np

    series = {"place": np.arange(len(piece.series), dtype=np.int32), **label_columns(piece.series)}
    db.register("piece", {"place": piece.index, **piece.columns})
    db.register("series", series)
    columns = RAW if "value" in piece.columns else WINDOWED
    chosen = ", ".join(_of_piece(name, kind) for name, kind in columns.items())
    joined = f"SELECT {chosen} FROM piece JOIN series USING (place)"
    db.execute(f"COPY ({joined}) TO {quoted(target)} ({WRITTEN['parquet']})")
    db.unregister("piece")
    db.unregister("series")


def _of_piece(name: str, kind: str) -> str:
    if name == "time":
        return "make_timestamp_ns(time) AS time"
    if name == "round":
        return "nullif(round, -1)::INTEGER AS round"
    if kind == "DOUBLE":
        return f'CASE WHEN isnan("{name}") THEN NULL ELSE "{name}" END AS "{name}"'
    return f'"{name}"::{"VARCHAR" if kind == "JSON" else kind} AS "{name}"'


def gathered(
    db: duckdb.DuckDBPyConnection,
    parts: Iterable[Path],
    columns: Mapping[str, str],
    form: Format,
    target: Path,
) -> None:
    """All parts in their order as one file; with no part, a table without rows."""
    named = ", ".join(quoted(part) for part in parts)
    empty = ", ".join(f'NULL::{kind} AS "{name}"' for name, kind in columns.items())
    source = f"read_parquet([{named}])" if named else f"(SELECT {empty}) WHERE false"
    kept = ", ".join(_written(name, kind, form) for name, kind in columns.items())
    db.execute(f"COPY (SELECT {kept} FROM {source}) TO {quoted(target)} ({WRITTEN[form]})")


def _written(name: str, kind: str, form: Format) -> str:
    if form == "parquet":
        return f'"{name}"::{"VARCHAR" if kind == "JSON" else kind} AS "{name}"'
    if kind == TIMESTAMP_NS:
        return f'{AS_TEXT.format(name)} AS "{name}"'
    if form == "csv" and kind in ("VARCHAR", "JSON"):
        return f'{text_column(f"{name}::VARCHAR")} AS "{name}"'
    if kind == "JSON" and form == "json":
        return f'"{name}"::JSON AS "{name}"'
    return f'"{name}"'
