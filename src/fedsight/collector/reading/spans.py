"""Spans of a run: read from their batches, whole rounds at a time."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from fedsight.collector.reading.columns import Column, coded_column
from fedsight.collector.reading.queries import LAST_ROUND
from fedsight.collector.reading.rows import SpanPage, SpanRow
from fedsight.collector.store.prepare import PHASES
from fedsight.door.times import rfc3339, rfc3339_column

SPAN_FIELDS = SpanRow.__struct_fields__


@dataclass(frozen=True, slots=True)
class SpanFilter:
    """Which spans, both ends of the range included."""

    from_round: int = 0
    to_round: int = LAST_ROUND
    limit: int = 1000
    offset: int = 0


@dataclass(frozen=True, slots=True)
class SpanTable:
    """Spans by round, then start. `node` points into `nodes`, -1 for the server; times in ns;
    `offset` counts from the round's earliest span. `total` counts those outside this page too."""

    nodes: list[str]
    round: NDArray[np.int64]
    node: NDArray[np.int64]
    phase: NDArray[np.int8]
    ok: NDArray[np.bool_]
    start: NDArray[np.int64]
    offset: NDArray[np.int64]
    duration: NDArray[np.int64]
    total: int


def span_table(store: sqlite3.Connection, run: str, which: SpanFilter) -> SpanTable:
    """The spans that match; only the rounds that the page touches are read."""
    count = store.execute(
        "SELECT round, sum(n) FROM span_batches WHERE run = ? AND round BETWEEN ? AND ?"
        " GROUP BY round ORDER BY round",
        (run, which.from_round, which.to_round),
    ).fetchall()
    held = np.array([n for _, n in count], np.int64)
    ends = np.cumsum(held)
    touched = (ends > which.offset) & (ends - held < which.offset + which.limit)
    at = np.flatnonzero(touched)
    total = int(ends[-1]) if len(ends) else 0
    if not at.size:
        return _page([], 0, which.limit, total)
    first, last = int(at[0]), int(at[-1])
    rows = store.execute(
        "SELECT round, n, nodes, node, phase, ok, start, duration FROM span_batches"
        " WHERE run = ? AND round BETWEEN ? AND ? ORDER BY round, id",
        (run, count[first][0], count[last][0]),
    ).fetchall()
    return _page(rows, which.offset - int(ends[first] - held[first]), which.limit, total)


def _page(rows: Sequence[tuple[object, ...]], skip: int, limit: int, total: int) -> SpanTable:
    """Decode batches, sort by round and start, and cut the page out."""
    rounds, sizes, names, *blobs = zip(*rows, strict=True) if rows else ((),) * 8
    node_blobs, phases, oks, starts, durations = blobs
    round_ = np.repeat(np.array(rounds, np.int64), np.array(sizes, np.int64))
    nodes, node = _nodes(names, node_blobs)
    start = np.frombuffer(b"".join(starts), "<i8")
    order = np.lexsort((start, round_))
    round_, start = round_[order], start[order]
    # Sorted by start within the round, so a round's first entry is its earliest span.
    earliest = np.searchsorted(round_, round_)
    offset = start - start[earliest]
    cut = slice(max(0, skip), max(0, skip) + limit)
    pick = order[cut]
    return SpanTable(
        nodes,
        round_[cut],
        node[pick],
        np.frombuffer(b"".join(phases), np.int8)[pick],
        np.frombuffer(b"".join(oks), np.int8)[pick].astype(bool),
        start[cut],
        offset[cut],
        np.frombuffer(b"".join(durations), "<i8")[pick],
        total,
    )


def _nodes(names: Sequence[str], blobs: Sequence[bytes]) -> tuple[list[str], NDArray[np.int64]]:
    """One dictionary for all batches, and every batch's codes in it."""
    code: dict[str, int] = {}
    columns = [np.zeros(0, np.int64)]
    for text, blob in zip(names, blobs, strict=True):
        mine = [code.setdefault(n, len(code)) for n in msgspec.json.decode(text, type=list[str])]
        # The last entry answers the index -1, which is the server's.
        table = np.array([*mine, -1], np.int64)
        columns.append(table[np.frombuffer(blob, "<i4")])
    return list(code), np.concatenate(columns)


def span_columns(table: SpanTable, fields: Sequence[str]) -> dict[str, Column]:
    """The named fields as columns."""
    return {name: _column(table, name) for name in fields}


def _column(table: SpanTable, name: str) -> Column:
    if name == "node":
        return coded_column(table.nodes, table.node)
    if name == "phase":
        return coded_column(PHASES, table.phase)
    if name == "start":
        return list(rfc3339_column(table.start))
    if name == "offset_seconds":
        return (table.offset / 1e9).tolist()  # type: ignore[no-any-return]
    if name == "seconds":
        return (table.duration / 1e9).tolist()  # type: ignore[no-any-return]
    return getattr(table, name).tolist()  # type: ignore[no-any-return]


def span_page(table: SpanTable) -> SpanPage:
    """The table as rows."""
    rows = [
        SpanRow(
            int(table.round[at]),
            None if table.node[at] < 0 else table.nodes[table.node[at]],
            PHASES[table.phase[at]],
            rfc3339(int(table.start[at])),
            float(table.offset[at] / 1e9),
            float(table.duration[at] / 1e9),
            bool(table.ok[at]),
        )
        for at in range(len(table.round))
    ]
    return SpanPage(rows, table.total)
