"""Moves samples from the hot log into sealed files."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fedsight.collector.store import manifest
from fedsight.collector.store.hot_rows import decoded
from fedsight.collector.store.manifest import Segment
from fedsight.collector.store.parquet import Origin, write_samples
from fedsight.collector.store.raw import tidy
from fedsight.collector.store.rollups import roll_up
from fedsight.collector.store.schema import connect_reader
from fedsight.collector.store.settling import Settling, all_or_none

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@dataclass(frozen=True, slots=True)
class HotState:
    """How much the hot log holds: samples, and the first and the last batch."""

    samples: int
    first: int
    last: int


def hot_state(snapshot: sqlite3.Connection) -> HotState:
    """What waits to be sealed."""
    found = snapshot.execute(
        "SELECT (SELECT coalesce(sum(n), 0) FROM sample_batches INDEXED BY sample_batches_of_run),"
        " (SELECT coalesce(min(id), 0) FROM sample_batches),"
        " (SELECT coalesce(max(id), 0) FROM sample_batches)"
    ).fetchone()
    return HotState(*found)


def seal(engine: DuckDBPyConnection, file: Path, settling: Settling, most: int) -> Segment | None:
    """Seal the oldest batches of the hot log, about `most` samples; None where it is empty.

    The file is whole and on disk before one transaction adds its row and deletes the batches, so a
    crash at any moment leaves each sample in exactly one of the two places. Raises what writing
    raises; the samples are then still in the hot log.
    """
    connection = connect_reader(file)
    try:
        connection.execute("BEGIN")
        first, last = _oldest(connection, most)
        piece = decoded(connection, first, last) if last else None
    finally:
        connection.close()
    if piece is None:
        return None
    folder, origin = settling.folder, Origin(0, first, last)
    segment = write_samples(engine, folder, tidy(piece.samples), origin, piece.spans)
    with all_or_none(folder, [segment]):
        rolled = roll_up(engine, folder, segment)
    settling.change(lambda store: _swap(store, segment, rolled), [segment, *rolled])
    return segment


def _oldest(snapshot: sqlite3.Connection, most: int) -> tuple[int, int]:
    """The first batch, and the last one up to which there are at most `most` samples."""
    first = last = total = 0
    for id_, number in snapshot.execute("SELECT id, n FROM sample_batches ORDER BY id"):
        if last and total + number > most:
            break
        first, last, total = first or id_, id_, total + number
    return first, last


def _swap(store: sqlite3.Connection, segment: Segment, rolled: list[Segment]) -> None:
    manifest.replace(store, [], segment, rolled)
    query = "DELETE FROM sample_batches WHERE id BETWEEN ? AND ?"
    store.execute(query, (segment.first_batch, segment.last_batch))
