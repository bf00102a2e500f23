"""Which sealed files belong to the store: rows of the table `segments`.

A file counts from the transaction that adds its row until the one that takes the row away.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec

from fedsight.collector.store.overlap import Span
from fedsight.collector.store.schema import remembered

#: Roll-ups' window lengths in ns, the finest first, and how their files' names begin.
MINUTE = 60 * 10**9
STEPS = {MINUTE: "1m", 5 * MINUTE: "5m", 60 * MINUTE: "1h"}


class Segment(NamedTuple):
    """One sealed file. Raw samples have `step` 0, roll-ups the length of their windows in ns.

    `first_batch` and `last_batch` say which batches of the hot log it was made of: of two samples
    that are one and the same, that of the later batches counts. `source` is the raw segment that a
    roll-up was made of. `level` is how often its samples were merged. Times are inclusive. `spans`
    is JSON of `times`; empty where nothing narrower is known than from the first to the last.
    """

    id: int
    file: str
    step: int
    source: int | None
    level: int
    first_batch: int
    last_batch: int
    n: int
    bytes: int
    sha256: str
    first_time: int
    last_time: int
    first_series: int
    last_series: int
    created: int
    spans: str = "[]"

    @property
    def times(self) -> list[Span]:
        """Spans of time outside of which it has no samples."""
        known = msgspec.json.decode(self.spans, type=list[Span])
        return known or [Span(self.first_time, self.last_time + 1)]


def told(spans: Sequence[Span]) -> str:
    """Spans as the column `spans` has them."""
    return msgspec.json.encode(spans).decode()


@remembered
def segments(snapshot: sqlite3.Connection) -> list[Segment]:
    """All segments, earlier arrivals first."""
    query = f"SELECT {', '.join(Segment._fields)} FROM segments ORDER BY last_batch, id"
    return [Segment(*row) for row in snapshot.execute(query)]


def raw(all_: Iterable[Segment]) -> list[Segment]:
    """Those that hold samples as they came in."""
    return [segment for segment in all_ if not segment.step]


def add(connection: sqlite3.Connection, segment: Segment) -> int:
    """Add a row; its id is given by the table."""
    columns = Segment._fields[1:]
    marks = ", ".join("?" * len(columns))
    query = f"INSERT INTO segments ({', '.join(columns)}) VALUES ({marks})"
    return int(connection.execute(query, segment[1:]).lastrowid or 0)


def remove(connection: sqlite3.Connection, ids: Sequence[int]) -> None:
    """Take rows away, and those of the roll-ups that were made of them."""
    pairs = [(id_, id_) for id_ in ids]
    connection.executemany("DELETE FROM segments WHERE id = ? OR source = ?", pairs)


def replace(
    connection: sqlite3.Connection,
    old: Sequence[Segment],
    new: Segment,
    rolled: Sequence[Segment],
) -> Segment:
    """Put a new file with its roll-ups in the place of others, and say what row it has."""
    remove(connection, [segment.id for segment in old])
    id_ = add(connection, new)
    for each in rolled:
        add(connection, each._replace(source=id_))
    return new._replace(id=id_)


def release(connection: sqlite3.Connection, ids: Sequence[int]) -> None:
    """Take raw segments away; their roll-ups stay, and speak for themselves from now on."""
    ones = [(id_,) for id_ in ids]
    connection.executemany("UPDATE segments SET source = NULL WHERE source = ?", ones)
    connection.executemany("DELETE FROM segments WHERE id = ?", ones)
