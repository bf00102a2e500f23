"""Rows of the store's tables as JSON lines, and back."""

from __future__ import annotations

import base64
import sqlite3
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from fedsight.collector.store.prepare import PHASES
from fedsight.door.times import LATEST
from fedsight.errors import StoreError

#: Tables that are not taken along as rows: samples travel as Parquet, spans as lines of their own,
#: and files of exports stay where they are.
LEFT_OUT = frozenset(
    {"sample_batches", "segments", "series", "span_batches", "exports", "sqlite_sequence"}
)
#: What belongs to one run, and the column that says which.
OF_RUN = {"runs": "id", "rounds": "run", "events": "run"}
ORDER = {"runs": "id", "rounds": "run, round", "events": "id"}
#: A column that SQLite gives anew where rows of one run come into another store.
GIVEN = {"events": "id"}

Row = Mapping[str, Any]


class SpanLine(msgspec.Struct, forbid_unknown_fields=True):
    """The spans of one round as they were taken in; `node` points into `nodes`, -1: the server."""

    run: str
    round: int
    nodes: list[str]
    node: list[int]
    phase: list[str]
    ok: list[bool]
    start: list[int]
    duration: list[int]


def names(store: sqlite3.Connection) -> list[str]:
    """The tables whose rows travel."""
    query = "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name"
    return [name for (name,) in store.execute(query) if name not in LEFT_OUT]


def rows(store: sqlite3.Connection, table: str, run: str | None) -> Iterator[bytes]:
    """The rows of a table, or those of one run, as JSON lines."""
    where = "" if run is None else f" WHERE {OF_RUN[table]} = ?"
    order = ORDER.get(table, "1")
    cursor = store.execute(
        f"SELECT * FROM {table}{where} ORDER BY {order}", () if run is None else (run,)
    )
    columns = [column[0] for column in cursor.description]
    for row in cursor:
        line = {c: _to_json(v) for c, v in zip(columns, row, strict=True)}
        yield msgspec.json.encode(line) + b"\n"


def put(store: sqlite3.Connection, table: str, file: Path, *, given: bool) -> int:
    """Insert the lines of a file; `given`: their ids are given anew. Raises StoreError."""
    known = [row[1] for row in store.execute(f"PRAGMA table_info({table})")]
    number = 0
    for number, row in enumerate(lines(file, dict[str, Any]), 1):
        unknown = row.keys() - set(known)
        if unknown:
            raise StoreError(f"{file}:{number}: unknown columns {', '.join(sorted(unknown))}")
        columns = [c for c in row if not (given and GIVEN.get(table) == c)]
        marks = ", ".join("?" * len(columns))
        query = f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})"
        try:
            store.execute(query, [_from_json(row[column]) for column in columns])
        except (sqlite3.Error, OverflowError, ValueError) as error:
            raise StoreError(f"{file}:{number}: {error}") from error
    return number


def lines(file: Path, kind: Any) -> Iterator[Any]:
    """The lines of a file as `kind`. Raises StoreError naming file and line."""
    decoder = msgspec.json.Decoder(kind)
    try:
        with file.open("rb") as content:
            for number, line in enumerate(content, 1):
                try:
                    yield decoder.decode(line)
                except msgspec.MsgspecError as error:
                    raise StoreError(f"{file}:{number}: {error}") from error
    except OSError as error:
        raise StoreError(f"cannot read {file}: {error.strerror}") from error


def span_lines(store: sqlite3.Connection, run: str | None) -> Iterator[bytes]:
    """Spans of a store or a run as JSON lines, one for what was taken in at once."""
    where = "" if run is None else "WHERE run = ?"
    query = (
        "SELECT run, round, nodes, node, phase, ok, start, duration FROM span_batches"
        f" {where} ORDER BY id"
    )
    for found in store.execute(query, () if run is None else (run,)):
        run_id, round_, nodes, node, phase, ok, start, duration = found
        line = SpanLine(
            run_id,
            round_,
            msgspec.json.decode(nodes, type=list[str]),
            np.frombuffer(node, "<i4").tolist(),
            [PHASES[code] for code in np.frombuffer(phase, np.int8).tolist()],
            np.frombuffer(ok, np.int8).astype(bool).tolist(),
            np.frombuffer(start, "<i8").tolist(),
            np.frombuffer(duration, "<i8").tolist(),
        )
        yield msgspec.json.encode(line) + b"\n"


def put_spans(store: sqlite3.Connection, file: Path) -> int:
    """Insert what `span_lines` gave. Raises StoreError."""
    number = 0
    for number, line in enumerate(lines(file, SpanLine), 1):
        wrong = _wrong_spans(line)
        if wrong:
            raise StoreError(f"{file}:{number}: {wrong}")
        store.execute(
            "INSERT INTO span_batches (run, round, n, first_start, nodes, node, phase, ok, start,"
            " duration) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                line.run,
                line.round,
                len(line.start),
                min(line.start),
                msgspec.json.encode(line.nodes).decode(),
                np.array(line.node, "<i4").tobytes(),
                np.array([PHASES.index(phase) for phase in line.phase], np.int8).tobytes(),
                np.array(line.ok, np.int8).tobytes(),
                np.array(line.start, "<i8").tobytes(),
                np.array(line.duration, "<i8").tobytes(),
            ),
        )
    return number


def _wrong_spans(line: SpanLine) -> str | None:
    lengths = {len(c) for c in (line.node, line.phase, line.ok, line.start, line.duration)}
    if len(lengths) != 1 or 0 in lengths:
        return "its columns must be of one length, and not empty"
    if not -1 <= min(line.node) <= max(line.node) < len(line.nodes):
        return f"node must lie within {len(line.nodes)} nodes"
    unknown = set(line.phase) - set(PHASES)
    if unknown:
        return f"phase must be one of {', '.join(PHASES)}, got {sorted(unknown)[0]!r}"
    if min(line.start) < 0 or max(line.start) > LATEST:
        return "start must lie between 1970 and 2200"
    if min(line.duration) < 0 or max(line.duration) > LATEST:
        return f"duration must lie between 0 and {LATEST} ns"
    return None


def _to_json(value: Any) -> Any:
    if isinstance(value, bytes):
        return {"base64": base64.b64encode(value).decode()}
    return value


def _from_json(value: Any) -> Any:
    if isinstance(value, dict) and value.keys() == {"base64"}:
        return base64.b64decode(value["base64"])
    return value
