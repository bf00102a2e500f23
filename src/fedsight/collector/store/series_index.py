"""Which series a store has and which of them meet a selection's matchers."""

from __future__ import annotations

import sqlite3
import threading
from array import array
from collections.abc import Iterable, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from fedsight.collector.store.contract import NAME_LABEL, Matcher
from fedsight.collector.store.patterns import matching
from fedsight.collector.store.schema import remembered
from fedsight.signals import Series

#: Series kept ready at most; beyond, all are made anew.
READY = 200_000
#: Answers remembered: dashboards ask the same again and again.
REMEMBERED = 64

LabelsText = msgspec.json.Decoder(dict[str, str])


class SeriesIndex:
    """The series of one store in memory, by label; grows as the table grows. Any thread may ask.

    Series ids are those of the table `series`; they are never given twice.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last = 0
        self._ids = array("q")
        self._keys: list[str] = []
        self._names: list[str] = []
        self._labels: list[str] = []
        self._postings: dict[str, dict[str, array[int]]] = {}
        self._ready: dict[int, Series] = {}
        self._answers: dict[tuple[Matcher, ...], tuple[int, NDArray[np.int64]]] = {}

    def refresh(self, connection: sqlite3.Connection) -> None:
        """Learn the series that were added since."""
        if newest(connection) <= self._last:
            return
        with self._lock:
            query = "SELECT id, key, name, labels FROM series WHERE id > ? ORDER BY id"
            for row in connection.execute(query, (self._last,)):
                self._add(*row)

    def _add(self, id_: int, key: str, name: str, labels: str) -> None:
        at = len(self._keys)
        self._ids.append(id_)
        self._keys.append(key)
        self._names.append(name)
        self._labels.append(labels)
        self._last = id_
        for label, value in ((NAME_LABEL, name), *LabelsText.decode(labels).items()):
            values = self._postings.setdefault(label, {})
            values.setdefault(value, array("q")).append(at)

    def remembers(self, connection: sqlite3.Connection, matchers: Iterable[Matcher]) -> bool:
        """Whether `select` has its answer at hand, and there are no series to learn."""
        known = self._answers.get(tuple(matchers))
        whole = newest(connection) <= self._last
        return whole and known is not None and known[0] == len(self._keys)

    def select(self, matchers: Iterable[Matcher]) -> NDArray[np.int64]:
        """Ids of the series that meet all matchers, by name and then labels.

        Raises BadFieldError for a pattern that is no regular expression.
        """
        wanted = tuple(matchers)
        with self._lock:
            known = self._answers.get(wanted)
            if known is not None and known[0] == len(self._keys):
                return known[1]
            found = self._selected(wanted)
            if len(self._answers) >= REMEMBERED:
                self._answers.pop(next(iter(self._answers)))
            self._answers[wanted] = (len(self._keys), found)
            return found

    def _selected(self, matchers: Sequence[Matcher]) -> NDArray[np.int64]:
        mask = np.ones(len(self._keys), bool)
        for matcher in matchers:
            mask &= self._meeting(matcher)
        places = np.flatnonzero(mask).tolist()
        # Without its last brace, so that a series without labels comes before those with some.
        places.sort(key=lambda at: (self._names[at], self._keys[at][:-1]))
        return np.array(self._ids, np.int64)[places]

    def _meeting(self, matcher: Matcher) -> NDArray[np.bool_]:
        """Which series meet one matcher; one without the label has the empty text."""
        values = self._postings.get(matcher.label, {})
        if matcher.op in ("=", "!="):
            good = {matcher.value} & values.keys()
            empty_too = matcher.value == ""
        else:
            texts = list(values)
            told = matching(matcher.value, ["", *texts])
            good = {text for text, is_good in zip(texts, told[1:], strict=True) if is_good}
            empty_too = told[0]
        mask = np.zeros(len(self._keys), bool)
        if empty_too:
            mask[:] = True
            for places in values.values():
                mask[np.array(places)] = False
        for value in good:
            mask[np.array(values[value])] = True
        return ~mask if matcher.op in ("!=", "!~") else mask

    def series(self, id_: int) -> Series:
        """The series of an id that `select` gave; it is shared, so not to be changed."""
        found = self._ready.get(id_)
        if found is None:
            at = self._place(id_)
            if len(self._ready) >= READY:
                self._ready.clear()
            found = Series(self._names[at], LabelsText.decode(self._labels[at]))
            self._ready[id_] = found
        return found

    def key(self, id_: int) -> str:
        """The series of an id as text, as `signals.series_key` writes it."""
        return self._keys[self._place(id_)]

    def _place(self, id_: int) -> int:
        """Ids rise without many holes, so a look near the id's own place mostly finds it."""
        at = min(id_, len(self._ids)) - 1
        if self._ids[at] == id_:
            return at
        with self._lock:
            return int(np.searchsorted(np.array(self._ids, np.int64), id_))


@remembered
def newest(snapshot: sqlite3.Connection) -> int:
    """The largest id of a series; 0 where there is none."""
    (last,) = snapshot.execute("SELECT coalesce(max(id), 0) FROM series").fetchone()
    return int(last)
