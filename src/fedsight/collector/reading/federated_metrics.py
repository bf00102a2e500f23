"""`/api/v1/fl/metrics`: a run's global figures as columns, and each client's means."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fedsight.collector.reading import queries
from fedsight.collector.reading.clients import (
    TRAINED,
    ClientFilter,
    ClientTable,
    client_table,
)
from fedsight.collector.reading.convergence import convergence_slope
from fedsight.collector.reading.rows import (
    ClientMetrics,
    FederatedMetrics,
    GlobalMetrics,
    RoundRow,
    TimeRange,
)
from fedsight.door.times import parse_rfc3339

FIELDS = ("train_accuracy", "train_seconds", "samples")
EVERYTHING = 10_000_000


def federated_metrics(
    store: sqlite3.Connection, run: str | None, start: int | None, end: int | None
) -> FederatedMetrics:
    """Rounds that started within [start, end] (ns; None: no bound), and their clients."""
    if run is None:
        return FederatedMetrics(None, TimeRange(), _global([]), {})
    found = queries.rounds(store, run, limit=EVERYTHING).rounds
    rows = [row for row in found if within(row, start, end)]
    trained = [row.round for row in rows if row.round > 0]
    which = ClientFilter(limit=EVERYTHING)
    table = client_table(store, run, which, FIELDS)
    clients = per_client(table, np.array(trained, np.int64))
    known = [(row.round, row.accuracy) for row in rows if row.accuracy is not None]
    slope = convergence_slope(known)
    return FederatedMetrics(run, _range(rows), _global(rows), clients, slope)


def within(row: RoundRow, start: int | None, end: int | None) -> bool:
    """Whether a round started in the range; one whose start is not known only without bounds."""
    if row.started is None:
        return start is None and end is None
    began = parse_rfc3339(row.started)
    return (start is None or began >= start) and (end is None or began <= end)


def _range(rows: Sequence[RoundRow]) -> TimeRange:
    known = [row.started for row in rows if row.started is not None]
    return TimeRange(min(known), max(known)) if known else TimeRange()


def _global(rows: Sequence[RoundRow]) -> GlobalMetrics:
    return GlobalMetrics(
        [row.round for row in rows],
        [row.accuracy for row in rows],
        [row.loss for row in rows],
        [row.participants for row in rows],
        [row.seconds for row in rows],
    )


def per_client(table: ClientTable, rounds: NDArray[np.int64]) -> dict[str, ClientMetrics]:
    """Each client's means over `rounds`. Round 0 is the model before any training."""
    inside = np.isin(table.round, rounds)
    node, many = table.node[inside], len(table.nodes)
    trained = np.bincount(node[table.status[inside] == TRAINED], minlength=many)
    accuracy = means(node, table.figures["train_accuracy"][inside], many)
    seconds = means(node, table.figures["train_seconds"][inside], many)
    samples = last(node, table.figures["samples"][inside], many)
    return {
        table.nodes[code]: ClientMetrics(
            int(trained[code]) / len(rounds),
            _known(accuracy[code]),
            _known(seconds[code]),
            None if np.isnan(samples[code]) else int(samples[code]),
        )
        for code in np.unique(node).tolist()
    }


def means(node: NDArray[np.int64], values: NDArray[np.float64], many: int) -> NDArray[np.float64]:
    """The mean for each of `many` nodes of what was measured; NaN where nothing was."""
    known = ~np.isnan(values)
    count = np.bincount(node[known], minlength=many)
    total = np.bincount(node[known], values[known], minlength=many)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def last(node: NDArray[np.int64], values: NDArray[np.float64], many: int) -> NDArray[np.float64]:
    """The last measured value of each of `many` nodes; NaN where nothing was."""
    found = np.full(many, np.nan)
    known = ~np.isnan(values)
    found[node[known]] = values[known]
    return found


def _known(value: np.float64) -> float | None:
    return None if np.isnan(value) else float(value)
