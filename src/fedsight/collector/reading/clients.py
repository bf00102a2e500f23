"""Clients of a run by round: pivoted from sample batches, with what events say became of them."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, get_args

import msgspec
import numpy as np
from numpy.typing import NDArray

from fedsight.collector.reading.columns import Column, coded_column, figure_column, text_column
from fedsight.collector.reading.queries import LAST_ROUND, node_order
from fedsight.collector.reading.rows import ClientPage, ClientRow, ClientStatus
from fedsight.collector.store.figures import CLIENT_FIGURES, CLIENT_OUTCOMES, REPLY_METRICS
from fedsight.collector.store.prepare import ClientOutcome
from fedsight.collector.store.samples import RunSamples, run_samples

CLIENT_FIELDS = ClientRow.__struct_fields__
STATUSES: tuple[str, ...] = get_args(ClientStatus)
TRAINED = STATUSES.index("trained")
#: Samples read at once: bounds the memory that a page takes, however long its run.
WINDOW_SAMPLES = 2_000_000
FIGURE_METRIC = {column: metric for metric, column in CLIENT_FIGURES.items()}


class Outcome(NamedTuple):
    """What an event says of a client in a round."""

    round: int
    node: str
    status: int
    message: str | None


@dataclass(frozen=True, slots=True)
class ClientFilter:
    """Which clients, both ends of the range included; None: every node."""

    from_round: int = 0
    to_round: int = LAST_ROUND
    node: str | None = None
    limit: int = 1000
    offset: int = 0


@dataclass(frozen=True, slots=True)
class ClientTable:
    """One entry a client and round, by round and then node in the run's order.

    `node` points into `nodes`, `status` into STATUSES (-1: not known); a figure is NaN where it
    was not measured; `reasons` maps an entry to its event's message. `total` counts all entries,
    those outside this page too.
    """

    nodes: list[str]
    round: NDArray[np.int64]
    node: NDArray[np.int64]
    status: NDArray[np.int8]
    reasons: dict[int, str]
    figures: dict[str, NDArray[np.float64]]
    total: int


def client_table(
    store: sqlite3.Connection,
    run: str,
    which: ClientFilter,
    fields: Sequence[str],
    *,
    window: int = WINDOW_SAMPLES,
) -> ClientTable:
    """The clients that match, with the figures among `fields`.

    The samples are read and counted `window` at a time, and only what is on the page is kept.
    """
    samples = run_samples(store)
    outcomes = _outcomes(store, run, which)
    nodes: list[str] = []
    parts: list[ClientTable] = []
    passed, room = 0, which.limit
    for first, last in samples.windows(run, which.from_round, which.to_round, window):
        told = [outcome for outcome in outcomes if first <= outcome.round <= last]
        part = replace(which, offset=max(0, which.offset - passed), limit=room)
        found = samples.of_run(run, first, last)
        nodes = nodes or _nodes(found, outcomes, node_order(store, run))
        parts.append(pivot(found, told, nodes, part, fields))
        passed, room = passed + parts[-1].total, room - len(parts[-1].round)
    return parts[0] if len(parts) == 1 else _joined(parts)


def _joined(parts: Sequence[ClientTable]) -> ClientTable:
    """Tables of rounds that follow each other, over the same nodes, as one."""
    begins = np.cumsum([0, *(len(part.round) for part in parts)]).tolist()
    return ClientTable(
        parts[0].nodes,
        np.concatenate([part.round for part in parts]),
        np.concatenate([part.node for part in parts]),
        np.concatenate([part.status for part in parts]),
        {
            begin + row: why
            for begin, part in zip(begins, parts, strict=False)
            for row, why in part.reasons.items()
        },
        {name: np.concatenate([p.figures[name] for p in parts]) for name in parts[0].figures},
        sum(part.total for part in parts),
    )


def pivot(
    samples: RunSamples,
    outcomes: Sequence[Outcome],
    nodes: list[str],
    which: ClientFilter,
    fields: Sequence[str],
) -> ClientTable:
    """Samples and outcomes of `nodes` as a table; a figure that came twice is the later one."""
    code = {node: at for at, node in enumerate(nodes)}
    metric, node = _of_series(samples, code, which.node)
    sample_metric = metric[samples.series]
    known = (sample_metric >= 0) & (samples.round >= 0)
    key = samples.round[known].astype(np.int64) * len(nodes) + node[samples.series[known]]
    told = np.array([o.round * len(nodes) + code[o.node] for o in outcomes], np.int64)
    keys, row = ranked(np.concatenate([key, told]))
    page = slice(which.offset, which.offset + which.limit)
    rows = len(keys[page])
    row -= which.offset
    cells = _Cells(rows, row[: len(key)], sample_metric[known], samples.value[known])
    status, reasons = _status(cells, outcomes, row[len(key) :])
    figures = {name: cells.figure(FIGURE_METRIC[name]) for name in fields if name in FIGURE_METRIC}
    width = max(1, len(nodes))
    return ClientTable(
        nodes, keys[page] // width, keys[page] % width, status, reasons, figures, len(keys)
    )


def ranked(keys: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The distinct keys in order, and for each key its place among them.

    Keys that fill their range well, as those of a run's rounds and nodes do, are counted instead
    of sorted: 10 times faster.
    """
    if not keys.size:
        return keys, keys
    least, width = int(keys.min()), int(keys.max() - keys.min()) + 1
    if width > 4 * keys.size + 1_000_000:
        distinct, place = np.unique(keys, return_inverse=True)
        return distinct, place.astype(np.int64)
    there = np.zeros(width, bool)
    there[keys - least] = True
    return np.flatnonzero(there) + least, (np.cumsum(there) - 1)[keys - least]


METRICS = list(CLIENT_FIGURES)


IS_REPLY = np.array([name in REPLY_METRICS for name in METRICS])


class _Cells:
    """The samples of a page of `rows` entries: the entry, metric and value of each."""

    def __init__(
        self,
        rows: int,
        row: NDArray[np.int64],
        metric: NDArray[np.int8],
        value: NDArray[np.float64],
    ) -> None:
        inside = (row >= 0) & (row < rows)
        everything = bool(inside.all())
        self.rows = rows
        self._row = row if everything else row[inside]
        self._metric = metric if everything else metric[inside]
        self._value = value if everything else value[inside]

    def figure(self, metric: str) -> NDArray[np.float64]:
        """One figure for every entry of the page, NaN where it was not measured."""
        found = np.full(self.rows, np.nan)
        mine = self._metric == METRICS.index(metric)
        found[self._row[mine]] = self._value[mine]
        return found

    def replied(self) -> NDArray[np.bool_]:
        """Which entries hold a figure that only a client that answered can have."""
        found = np.zeros(self.rows, bool)
        found[self._row[IS_REPLY[self._metric]]] = True
        return found


def _status(
    cells: _Cells, outcomes: Sequence[Outcome], rows: NDArray[np.int64]
) -> tuple[NDArray[np.int8], dict[int, str]]:
    status = np.where(cells.replied(), np.int8(TRAINED), np.int8(-1)).astype(np.int8)
    reasons: dict[int, str] = {}
    for outcome, row in zip(outcomes, rows.tolist(), strict=True):
        if 0 <= row < cells.rows:
            status[row] = outcome.status
            if outcome.message is not None:
                reasons[row] = outcome.message
    return status, reasons


def _nodes(samples: RunSamples, outcomes: Sequence[Outcome], order: Sequence[str]) -> list[str]:
    """The run's nodes, then those it did not name, as they first appeared."""
    found = dict.fromkeys(order)
    named = zip(samples.names, samples.nodes, strict=True)
    found.update(dict.fromkeys(n for name, n in named if n is not None and name in CLIENT_FIGURES))
    found.update(dict.fromkeys(outcome.node for outcome in outcomes))
    return list(found)


def _of_series(
    samples: RunSamples, code: dict[str, int], only: str | None
) -> tuple[NDArray[np.int8], NDArray[np.int64]]:
    """For each series its metric's place in METRICS (-1: not a client's) and its node's code."""
    place = {name: at for at, name in enumerate(METRICS)}
    metric = np.full(len(samples.names), -1, np.int8)
    node = np.zeros(len(samples.names), np.int64)
    for at, (name, which) in enumerate(zip(samples.names, samples.nodes, strict=True)):
        if which is not None and name in place and only in (None, which):
            metric[at], node[at] = place[name], code[which]
    return metric, node


def _outcomes(store: sqlite3.Connection, run: str, which: ClientFilter) -> list[Outcome]:
    kinds = ", ".join(f"'{kind}'" for kind in CLIENT_OUTCOMES)
    found = store.execute(
        f"SELECT round, node, kind, details FROM events WHERE run = ? AND kind IN ({kinds})"
        " AND round BETWEEN ? AND ? AND node IS NOT NULL ORDER BY id",
        (run, which.from_round, which.to_round),
    )
    return [
        Outcome(round_, node, STATUSES.index(CLIENT_OUTCOMES[kind]), _message(details))
        for round_, node, kind, details in found
        if which.node in (None, node)
    ]


def _message(details: str) -> str | None:
    return msgspec.json.decode(details, type=ClientOutcome).message


def client_columns(table: ClientTable, fields: Sequence[str]) -> dict[str, Column]:
    """The named fields as columns."""
    return {name: _column(table, name) for name in fields}


def _column(table: ClientTable, name: str) -> Column:
    if name == "round":
        return list(table.round.tolist())
    if name == "node":
        return coded_column(table.nodes, table.node)
    if name == "status":
        return coded_column(STATUSES, table.status)
    if name == "reason":
        return text_column([table.reasons.get(row) for row in range(len(table.round))])
    return figure_column(name, table.figures[name])


def client_page(table: ClientTable) -> ClientPage:
    """The table as rows; it must have been made with all fields."""
    names = ("round", "node", "status", "reason", *FIGURE_METRIC)
    cells = [_cells(table, name) for name in names]
    rows = [ClientRow(**dict(zip(names, row, strict=True))) for row in zip(*cells, strict=True)]
    return ClientPage(rows, table.total)


def _cells(table: ClientTable, name: str) -> list[object]:
    column = _column(table, name)
    if isinstance(column, list):
        return column
    return [None if at is None else column.dictionary[at] for at in column.index]
