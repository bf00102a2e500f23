"""The number of each series in the store, and the way in for new ones."""

from __future__ import annotations

import sqlite3

import msgspec
import numpy as np
from numpy.typing import NDArray

from fedsight.collector.taking.cardinality import Cardinality
from fedsight.signals import Series, series_key

#: Series remembered; beyond, all are forgotten and the table is asked again.
REMEMBERED = 200_000
#: Lists of series remembered whole.
LISTS = 256


class SeriesIds:
    """Ids from the table `series`, over the one writing connection and in its transaction.

    A producer's records name the same list of series again and again: its ids are found at once.
    A list must not change once it was given.
    """

    def __init__(self, connection: sqlite3.Connection, cardinality: Cardinality) -> None:
        self._db = connection
        self._cardinality = cardinality
        self._ids: dict[tuple[str, ...], int] = {}
        self._lists: dict[int, tuple[list[Series], NDArray[np.int64]]] = {}
        self._held: int | None = None
        #: The largest id that was ever given.
        self.largest = 0

    def of(self, series: list[Series]) -> NDArray[np.int64]:
        """The id of each; new ones are let in or refused together (RefusedError)."""
        known = self._lists.get(id(series))
        if known is None or known[0] is not series:
            known = series, self._found(series)
            if len(self._lists) >= LISTS:
                self._lists.clear()
            self._lists[id(series)] = known
        return known[1]

    def forget(self) -> None:
        """Call after a rollback, and when series were deleted."""
        self._ids.clear()
        self._lists.clear()
        self._held = None

    def _found(self, series: list[Series]) -> NDArray[np.int64]:
        new: dict[str, Series] = {}
        for each in series:
            key = _key(each)
            if key not in self._ids:
                text = series_key(each.name, each.labels)
                stored = self._stored(text)
                if stored is None:
                    new[text] = each
                else:
                    self._ids[key] = stored
        if new:
            self._let_in(new)
        ids = np.array([self._id(each) for each in series], np.int64)
        self.largest = max(self.largest, int(ids.max(initial=0)))
        if len(self._ids) > REMEMBERED:
            self._ids.clear()
        return ids

    def _id(self, series: Series) -> int:
        key = _key(series)
        found = self._ids.get(key)
        if found is None:  # the same labels as another's, in another order
            found = self._ids[key] = self._stored(series_key(series.name, series.labels)) or 0
        return found

    def _let_in(self, new: dict[str, Series]) -> None:
        held = self._held
        if held is None or held + len(new) > self._cardinality.most:
            (held,) = self._db.execute("SELECT count(*) FROM series").fetchone()
        self._cardinality.admit(held, list(new.values()))
        for text, series in sorted(new.items(), key=_metric_first):
            self._ids[_key(series)] = self._added(text, series)
        self._held = held + len(new)

    def _stored(self, text: str) -> int | None:
        found = self._db.execute("SELECT id FROM series WHERE key = ?", (text,)).fetchone()
        return None if found is None else int(found[0])

    def _added(self, text: str, series: Series) -> int:
        labels = msgspec.json.encode(series.labels).decode()
        run, node = series.labels.get("run"), series.labels.get("node")
        added = self._db.execute(
            "INSERT INTO series (key, name, labels, run, node) VALUES (?, ?, ?, ?, ?)",
            (text, series.name, labels, run, node),
        )
        return int(added.lastrowid or 0)


def _metric_first(new: tuple[str, Series]) -> tuple[str, str]:
    """One metric after another: sealed files are sorted by id, and a question mostly asks for one
    metric of all nodes of a run."""
    return new[1].labels.get("run", ""), new[1].name


def _key(series: Series) -> tuple[str, ...]:
    labels = series.labels
    return (series.name, *labels, *labels.values())
