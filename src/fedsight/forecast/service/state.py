"""What survives a restart, in one SQLite file: forecasts not scored yet, sums, corrections.

A pass is one transaction: killed at any moment, the file is that of the last pass. Arrays are
msgpack of shape and bytes.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import numpy as np
from msgspec import Struct

from fedsight.errors import StoreError
from fedsight.forecast.service.scoring import Array, Foreseen
from fedsight.journal.transaction import transaction

SCHEMA = """
CREATE TABLE IF NOT EXISTS fact (key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS node (node TEXT PRIMARY KEY, body BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS sums
  (node TEXT, start INTEGER, body BLOB NOT NULL, PRIMARY KEY (node, start));
"""


class _Packed(Struct, array_like=True):
    shape: tuple[int, ...]
    data: bytes


class _Waiting(Struct, array_like=True):
    origin: int
    step: int
    arrays: tuple[_Packed, ...]
    waits: list[bool]
    version: str = ""


class _Node(Struct, array_like=True):
    waiting: list[_Waiting]
    correction: _Packed | None


@dataclass
class NodeState:
    """What is remembered of one node. `sums` by the start of their time bucket (ns);
    `correction` is what the intervals have learned (`correcting`)."""

    waiting: list[Foreseen] = field(default_factory=list)
    sums: dict[int, Array] = field(default_factory=dict)
    correction: Array | None = None


class StateFile:
    """The file at `path`, owned by one forecaster. Raises StoreError naming it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with self._named():
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=NORMAL")
            self._db.executescript(SCHEMA)

    @contextmanager
    def _named(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError, msgspec.MsgspecError) as error:
            message = f"cannot keep the state of forecasts in {self._path}: {error}"
            raise StoreError(message) from error

    def fact(self, key: str) -> bytes | None:
        """One remembered fact."""
        with self._named():
            found = self._db.execute("SELECT value FROM fact WHERE key = ?", (key,)).fetchone()
        return None if found is None else bytes(found[0])

    def read(self) -> dict[str, NodeState]:
        """What is remembered of each node. Raises StoreError where the file is damaged."""
        found: dict[str, NodeState] = {}
        with self._named():
            for node, body in self._db.execute("SELECT node, body FROM node"):
                kept = msgspec.msgpack.decode(body, type=_Node)
                waiting = [_unpacked_waiting(one) for one in kept.waiting]
                correction = None if kept.correction is None else _unpacked(kept.correction)
                found[node] = NodeState(waiting, {}, correction)
            for node, start, body in self._db.execute("SELECT node, start, body FROM sums"):
                packed = msgspec.msgpack.decode(body, type=_Packed)
                found.setdefault(node, NodeState()).sums[start] = _unpacked(packed)
        return found

    def write(
        self,
        nodes: dict[str, NodeState],
        changed: Iterable[tuple[str, int]],
        facts: dict[str, bytes],
        oldest: int,
    ) -> None:
        """Put a pass on disk: all of these nodes, their sums that `changed`, and facts; sums that
        start before `oldest` go."""
        bodies = [(node, _packed_node(one)) for node, one in nodes.items()]
        sums = [(node, at, _encoded(_packed(nodes[node].sums[at]))) for node, at in changed]
        with self._named(), transaction(self._db):
            self._db.executemany("INSERT OR REPLACE INTO node VALUES (?, ?)", bodies)
            self._db.executemany("INSERT OR REPLACE INTO sums VALUES (?, ?, ?)", sums)
            self._db.executemany("INSERT OR REPLACE INTO fact VALUES (?, ?)", facts.items())
            self._db.execute("DELETE FROM sums WHERE start < ?", (oldest,))

    def forget(self) -> None:
        """Begin anew: what is remembered of nodes belongs to a model of another shape. Facts stay:
        what no longer holds is overwritten."""
        with self._named(), transaction(self._db):
            for table in ("node", "sums"):
                self._db.execute(f"DELETE FROM {table}")

    def close(self) -> None:
        """Close the file."""
        self._db.close()


def _packed(array: Array) -> _Packed:
    return _Packed(array.shape, np.ascontiguousarray(array, np.float64).tobytes())


def _unpacked(packed: _Packed) -> Array:
    return np.frombuffer(packed.data, np.float64).reshape(packed.shape).copy()


def _encoded(packed: _Packed) -> bytes:
    return msgspec.msgpack.encode(packed)


def _packed_node(one: NodeState) -> bytes:
    waiting = [
        _Waiting(
            each.origin,
            each.step,
            tuple(map(_packed, (each.said, each.told, each.last, each.median, each.sd))),
            each.waits.tolist(),
            each.version,
        )
        for each in one.waiting
    ]
    correction = None if one.correction is None else _packed(one.correction)
    return msgspec.msgpack.encode(_Node(waiting, correction))


def _unpacked_waiting(one: _Waiting) -> Foreseen:
    said, told, last, median, sd = map(_unpacked, one.arrays)
    waits = np.array(one.waits, bool)
    return Foreseen(one.origin, one.step, said, told, last, median, sd, waits, one.version)
