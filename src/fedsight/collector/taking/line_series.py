"""The series that lines of line protocol name, remembered by the bytes that name them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fedsight.collector.taking.exact_lines import ROUND, BadLineError, read_head, series_of
from fedsight.signals import Series, series_key

#: Series and heads remembered; beyond, all are forgotten.
REMEMBERED = 200_000
LAYOUTS = 1000
LISTS = 64
#: The heads of the last body are kept where they are no more than this.
LAST_BYTES = 2**20
UNKNOWN, BAD = -1, -2


class LineSeries:
    """Numbers the series of one reader. A head is a line's measurement and tags, as bytes."""

    def __init__(self) -> None:
        self._all: list[Series] = []
        self._known: dict[str, int] = {}
        self._heads: dict[bytes, int] = {}
        self._read: list[tuple[str, dict[str, str]]] = []
        self._layouts: dict[tuple[bytes, ...], NDArray[np.int64]] = {}
        self._lists: dict[bytes, list[Series]] = {}
        self._last = np.zeros((0, 0), np.uint64), np.zeros(0, np.int64)

    @property
    def full(self) -> bool:
        """Whether it is time to begin anew."""
        many = max(len(self._all), len(self._heads)) > REMEMBERED
        return many or len(self._layouts) > LAYOUTS

    def heads(self, heads: list[bytes]) -> NDArray[np.int64]:
        """The number of each head; BAD where it is none."""
        known = self._heads
        try:
            found = [*map(known.__getitem__, heads)]
        except KeyError:
            for head in dict.fromkeys(heads):
                if head not in known:
                    self._learn(head)
            found = [*map(known.__getitem__, heads)]
        return np.array(found, np.int64)

    def cells(self, heads: NDArray[np.uint64]) -> NDArray[np.int64]:
        """As `heads`, of texts that are a row of words each, zeros after their end.

        Producers name the same heads in the same order again and again.
        """
        if np.array_equal(heads, self._last[0]):
            return self._last[1]
        texts = heads.view(f"S{heads.itemsize * heads.shape[1]}").reshape(-1).tolist()
        numbers = self.heads(texts)
        if heads.nbytes <= LAST_BYTES:
            self._last = heads, numbers
        return numbers

    def _learn(self, head: bytes) -> None:
        read = read_head(head)
        self._heads[head] = BAD if read is None else len(self._read)
        if read is not None:
            self._read.append(read)

    def fields(self, keys: tuple[bytes, ...], heads: NDArray[np.int64]) -> NDArray[np.int64]:
        """The series of each line's fields, a row for each; BAD where a name cannot be."""
        if not self._read:
            return np.full((heads.size, len(keys)), BAD)
        table = self._layouts.get(keys, np.zeros((0, len(keys)), np.int64))
        if table.shape[0] < len(self._read):
            more = max(len(self._read), 2 * table.shape[0]) - table.shape[0]
            table = np.concatenate([table, np.full((more, len(keys)), UNKNOWN)])
            self._layouts[keys] = table
        safe = np.maximum(heads, 0)
        new = safe[table[safe, 0] == UNKNOWN]
        for head in np.unique(new).tolist():
            table[head] = [self._of_field(head, key.decode()) for key in keys]
        return table[safe]

    def _of_field(self, head: int, key: str) -> int:
        if key == ROUND:
            return 0
        measurement, tags = self._read[head]
        try:
            return self.number(series_of(measurement, key, tags))
        except BadLineError:
            return BAD

    def number(self, series: Series) -> int:
        """The number of a series."""
        text = series_key(series.name, series.labels)
        found = self._known.get(text)
        if found is None:
            found = self._known[text] = len(self._all)
            self._all.append(series)
        return found

    def compact(self, numbers: NDArray[np.int64]) -> tuple[list[Series], NDArray[np.int32]]:
        """The series among `numbers`, and the place of each of `numbers` in that list.

        The same series give the same list each time, so that the store knows it again.
        """
        seen = np.zeros(len(self._all), bool)
        seen[numbers] = True
        used = np.flatnonzero(seen)
        place = np.zeros(len(self._all), np.int32)
        place[used] = np.arange(used.size)
        return self._list(used), place[numbers]

    def _list(self, used: NDArray[np.int64]) -> list[Series]:
        key = used.tobytes()
        found = self._lists.get(key)
        if found is None:
            if len(self._lists) >= LISTS:
                self._lists.clear()
            found = self._lists[key] = [self._all[at] for at in used.tolist()]
        return found
