"""`/api/v1/fl/metrics`: a run's global figures as columns, and each client's means."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fedsight.collector import queries
from fedsight.collector.clients import (
    TRAINED,
    ClientFilter,
    ClientTable,
    client_table,
)
from fedsight.collector.rows import (
    ClientMetrics,
    FederatedMetrics,
    GlobalMetrics,
    RoundRow,
    TimeRange,
)
from fedsight.collector.times import parse_rfc3339

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
    return FederatedMetrics(run, _range(rows), _global(rows), clients)


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
    found: dict[str, ClientMetrics] = {}
    inside = np.isin(table.round, rounds)
    for code in np.unique(table.node[inside]).tolist():
        mine = inside & (table.node == code)
        trained = int((table.status[mine] == TRAINED).sum())
        samples = table.figures["samples"][mine]
        known = samples[~np.isnan(samples)]
        found[table.nodes[code]] = ClientMetrics(
            trained / len(rounds),
            mean(table.figures["train_accuracy"][mine]),
            mean(table.figures["train_seconds"][mine]),
            int(known[-1]) if known.size else None,
        )
    return found


def mean(values: NDArray[np.float64]) -> float | None:
    """The mean of what was measured; None where nothing was."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else None
