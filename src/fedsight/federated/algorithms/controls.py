"""Every node's control variate, kept in a temporary file: memory stays that of a block.

A row of the file is one vector. Rows that were handed out for a checkpoint are left as they are
until the next ones are: what changes meanwhile goes to other rows.
"""

from __future__ import annotations

import tempfile
import weakref
from collections.abc import Iterable, Mapping

import numpy as np

from fedsight.federated.flat import Vector


class Controls:
    """Vectors of `size` values by the node's name; zeros for a node that has none yet.

    The file has no name, so that nothing is left of it when the process ends, however it ends.
    It takes one vector a node, two between one checkpoint and the next. What is written is a draft
    until `keep`: a round that is lost half-way is begun anew from what was before it.
    """

    def __init__(self, size: int, dtype: np.dtype[np.generic]) -> None:
        self.size = size
        self.dtype = dtype
        self._file = tempfile.TemporaryFile(prefix="fedsight-controls-")  # noqa: SIM115
        weakref.finalize(self, self._file.close)  # maps of it that were shown stay readable
        self._rows: dict[str, int] = {}
        self._drafts: dict[str, int] = {}
        self._free: list[int] = []
        self._shown: set[int] = set()
        self._made = 0

    def __len__(self) -> int:
        return len(self._rows)

    def __contains__(self, name: str) -> bool:
        return name in self._rows

    def read(self, name: str, start: int, stop: int) -> Vector:
        """A copy of the node's values from `start` to `stop`: those of its draft, if any."""
        row = self._drafts.get(name, self._rows.get(name))
        if row is None:
            return np.zeros(stop - start, self.dtype)
        values = np.empty(stop - start, self.dtype)
        self._file.seek(self._place(row, start))
        if self._file.readinto(values.data.cast("B")) != values.nbytes:
            raise OSError("the file of control variates is shorter than it was written")
        return values

    def write(self, name: str, parts: Iterable[Vector]) -> None:
        """Draft a new vector of the node from these parts, one after the other.

        `read` gives the old vector until all are written.
        """
        row = self._fresh()
        at = 0
        for part in parts:
            self._file.seek(self._place(row, at))
            self._file.write(np.ascontiguousarray(part).data.cast("B"))
            at += len(part)
        self._file.flush()
        before = self._drafts.get(name)
        self._drafts[name] = row
        if before is not None:
            self._free.append(before)

    def keep(self) -> None:
        """Let the drafts take the place of what was before."""
        old = [self._rows[name] for name in self._drafts if name in self._rows]
        self._free += [row for row in old if row not in self._shown]
        self._rows |= self._drafts
        self._drafts.clear()

    def drop(self) -> None:
        """Let go of the drafts."""
        self._free += self._drafts.values()
        self._drafts.clear()

    def shown(self) -> Mapping[str, Vector]:
        """Every node's vector that was kept, read from the file as it is used.

        They stay as they are until the next call.
        """
        current = set(self._rows.values())
        self._free += sorted(self._shown - current)
        self._shown = current
        return {name: self._view(row) for name, row in self._rows.items()}

    def _view(self, row: int) -> Vector:
        place = self._place(row, 0)
        return np.memmap(self._file, self.dtype, "r", offset=place, shape=(self.size,))

    def _place(self, row: int, start: int) -> int:
        return (row * self.size + start) * self.dtype.itemsize

    def _fresh(self) -> int:
        """A row that nobody reads."""
        if self._free:
            return self._free.pop()
        self._made += 1
        return self._made - 1
