"""Windows in SQLite: one row of a window is one row here, its values one blob.

A blob holds little-endian float64s in the order of the node's `columns`; one that is shorter is of
before a column came. Columns are only ever added at the end, until there are too many.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import NamedTuple

import msgspec
import numpy as np

from fedsight.telemetry.windows.contract import MAX_COLUMNS, Added, Figures
from fedsight.telemetry.windows.frames import Rows, Times, Values
from fedsight.telemetry.windows.slots import (
    Extent,
    filled,
    fitting,
    measured_columns,
    phase_of,
    placed,
    timely,
    widened,
)

FORMAT = 1
SCHEMA = """
CREATE TABLE IF NOT EXISTS setting (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS node (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, phase INTEGER NOT NULL,
    columns TEXT NOT NULL, rows INTEGER NOT NULL DEFAULT 0, version INTEGER NOT NULL DEFAULT 0,
    written INTEGER NOT NULL DEFAULT 0, conflicting INTEGER NOT NULL DEFAULT 0,
    late INTEGER NOT NULL DEFAULT 0, ahead INTEGER NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS row (
    node INTEGER NOT NULL, time INTEGER NOT NULL, value BLOB NOT NULL,
    PRIMARY KEY (node, time)) WITHOUT ROWID;
"""
_FLOAT = np.dtype("<f8")


class Node(NamedTuple):
    """What is known of a node's window besides its rows."""

    id: int
    phase: int
    columns: tuple[str, ...]
    rows: int
    version: int


def find(db: sqlite3.Connection, name: str) -> Node | None:
    """The node of that name, if it has a window."""
    query = "SELECT id, phase, columns, rows, version FROM node WHERE name = ?"
    found = db.execute(query, (name,)).fetchone()
    if found is None:
        return None
    number, phase, columns, rows, version = found
    return Node(number, phase, tuple(msgspec.json.decode(columns, type=list[str])), rows, version)


def version(db: sqlite3.Connection, name: str) -> int:
    """How often the node's window changed; 0 where there is none."""
    found = db.execute("SELECT version FROM node WHERE name = ?", (name,)).fetchone()
    return int(found[0]) if found else 0


def names(db: sqlite3.Connection) -> list[str]:
    """The nodes that have rows, in order."""
    return [name for (name,) in db.execute("SELECT name FROM node WHERE rows > 0 ORDER BY name")]


def figures(db: sqlite3.Connection, name: str) -> Figures | None:
    """The node's window in figures."""
    query = (
        "SELECT rows, (SELECT min(time) FROM row WHERE node = id),"
        " (SELECT max(time) FROM row WHERE node = id), written, conflicting, late, ahead"
        " FROM node WHERE name = ? AND rows > 0"
    )
    found = db.execute(query, (name,)).fetchone()
    return Figures(*found) if found else None


def window(db: sqlite3.Connection, node: Node) -> Rows:
    """All rows of a node."""
    return _between(db, node, 0, 2**63 - 1)


def _between(db: sqlite3.Connection, node: Node, first: int, last: int) -> Rows:
    query = "SELECT time, value FROM row WHERE node = ? AND time BETWEEN ? AND ? ORDER BY time"
    found = db.execute(query, (node.id, first, last)).fetchall()
    times = np.array([time for time, _ in found], dtype=np.int64)
    return Rows(times, node.columns, _decoded([blob for _, blob in found], len(node.columns)))


def _decoded(blobs: list[bytes], width: int) -> Values:
    if all(len(blob) == width * 8 for blob in blobs):
        flat = np.frombuffer(b"".join(blobs), _FLOAT)
        return flat.astype(np.float64).reshape(len(blobs), width)
    values = np.full((len(blobs), width), np.nan)
    for number, blob in enumerate(blobs):
        values[number, : len(blob) // 8] = np.frombuffer(blob, _FLOAT)
    return values


def create(db: sqlite3.Connection, name: str, phase: int) -> Node:
    """A window without rows for a node that has none."""
    query = "INSERT INTO node (name, phase, columns) VALUES (?, ?, '[]')"
    made = db.execute(query, (name, phase)).lastrowid
    assert made is not None
    return Node(made, phase, (), 0, 0)


def silent_longest(db: sqlite3.Connection) -> tuple[str, int] | None:
    """Of all nodes the one that nothing came from for the longest time, and when it last did."""
    found: tuple[str, int] | None = db.execute(
        "SELECT name, written FROM node ORDER BY written LIMIT 1"
    ).fetchone()
    return found


def remove(db: sqlite3.Connection, name: str) -> None:
    """Remove a node and its rows."""
    db.execute("DELETE FROM row WHERE node = (SELECT id FROM node WHERE name = ?)", (name,))
    db.execute("DELETE FROM node WHERE name = ?", (name,))


def count(db: sqlite3.Connection) -> int:
    """How many nodes have a window."""
    return int(db.execute("SELECT count(*) FROM node").fetchone()[0])


def add(
    db: sqlite3.Connection, name: str, node: Node | None, rows: Rows, extent: Extent, now: int
) -> Added:
    """Put rows where they belong, within the caller's transaction; `node` is what `find` found."""
    rows, ahead = timely(rows, now)
    if not len(rows.times):
        _account(db, name, Added(ahead=ahead), None)
        return Added(ahead=ahead)
    node = node or create(db, name, phase_of(rows, extent.interval_ns))
    slots, values, doubled = placed(rows, node.phase, extent.interval_ns)
    new = tuple(each for each in measured_columns(rows) if each not in node.columns)
    node, left_out = _with_columns(db, node, new)
    new = new[: len(new) - len(left_out)]
    incoming = _under(node.columns, Rows(slots, rows.columns, values))
    old, stood = _there(db, node, slots)
    after, changed, conflicting = filled(old, incoming)
    _put(db, node, slots[changed], after[changed])
    late = _retain(db, node, slots[changed], int((changed & ~stood).sum()), extent.max_rows)
    conflicting += doubled
    added = Added(int(changed.sum()) - late, conflicting, late, ahead, new, left_out)
    _account(db, name, added, now)
    return added


def _with_columns(
    db: sqlite3.Connection, node: Node, new: tuple[str, ...]
) -> tuple[Node, tuple[str, ...]]:
    """The node with columns that it had not, and those that it has no room for.

    Columns that no row has a value for go where there would be too many.
    """
    if not new:
        return node, ()
    if len(node.columns) + len(new) > MAX_COLUMNS:
        node = _narrowed(db, node)
    new, left_out = fitting(node.columns, new)
    return _rename(db, node, node.columns + new), left_out


def _rename(db: sqlite3.Connection, node: Node, columns: tuple[str, ...]) -> Node:
    text = msgspec.json.encode(columns).decode()
    db.execute("UPDATE node SET columns = ? WHERE id = ?", (text, node.id))
    return node._replace(columns=columns)


def _narrowed(db: sqlite3.Connection, node: Node) -> Node:
    rows = window(db, node)
    used = measured_columns(rows)
    if used == node.columns:
        return node
    narrow = _rename(db, node, used)
    _put(db, narrow, rows.times, _under(used, rows))
    return narrow


def _under(columns: tuple[str, ...], rows: Rows) -> Values:
    """The values of rows under the columns given; what is not among these is left out."""
    at = [number for number, name in enumerate(rows.columns) if name in columns]
    return widened(rows.values[:, at], tuple(rows.columns[each] for each in at), columns)


def _there(db: sqlite3.Connection, node: Node, slots: Times) -> tuple[Values, np.ndarray]:
    """What stands in these slots, NaN where nothing does; and which of them have a row."""
    found = _between(db, node, int(slots[0]), int(slots[-1]))
    old = np.full((len(slots), len(node.columns)), np.nan)
    stood = np.zeros(len(slots), dtype=np.bool_)
    at = np.searchsorted(slots, found.times)  # none lies beyond the last slot
    wanted = slots[at] == found.times
    old[at[wanted]] = found.values[wanted]
    stood[at[wanted]] = True
    return old, stood


def _put(db: sqlite3.Connection, node: Node, slots: Times, values: Values) -> None:
    blobs: Iterable[bytes] = (each.tobytes() for each in values.astype(_FLOAT))
    rows = zip([node.id] * len(slots), slots.tolist(), blobs, strict=True)
    db.executemany("INSERT OR REPLACE INTO row VALUES (?, ?, ?)", rows)


def _retain(
    db: sqlite3.Connection, node: Node, changed: Times, inserted: int, max_rows: int
) -> int:
    """Remove the oldest rows that are too many; how many of the changed ones are among them."""
    rows = node.rows + inserted
    late = 0
    if rows > max_rows:
        query = "SELECT time FROM row WHERE node = ? ORDER BY time LIMIT 1 OFFSET ?"
        oldest = int(db.execute(query, (node.id, rows - max_rows)).fetchone()[0])
        db.execute("DELETE FROM row WHERE node = ? AND time < ?", (node.id, oldest))
        late, rows = int((changed < oldest).sum()), max_rows
    db.execute("UPDATE node SET rows = ? WHERE id = ?", (rows, node.id))
    return late


def _account(db: sqlite3.Connection, name: str, added: Added, now: int | None) -> None:
    query = (
        "UPDATE node SET conflicting = conflicting + ?, late = late + ?, ahead = ahead + ?,"
        " version = version + ?, written = coalesce(?, written) WHERE name = ?"
    )
    changed = int(added.rows > 0)
    counts = added.conflicting, added.late, added.ahead
    db.execute(query, (*counts, changed, now if changed else None, name))
