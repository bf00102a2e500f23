"""The last so many numbers, in order of size and in order of arrival: 16 bytes a number."""

from __future__ import annotations

from array import array
from bisect import bisect_left, insort


class Memory:
    """Remembers the last `most` finite numbers. Adding one takes microseconds, however many."""

    def __init__(self, most: int) -> None:
        if most < 1:
            raise ValueError(f"a memory must hold at least 1 number, got most={most}")
        #: Smallest first. To be read only.
        self.ordered = array("d")
        self._arrived = array("d")
        self._oldest = 0
        self._most = most

    def __len__(self) -> int:
        return len(self.ordered)

    def add(self, value: float) -> None:
        """Remember a number, and forget the oldest where there are too many."""
        if len(self._arrived) < self._most:
            self._arrived.append(value)
        else:
            old, self._arrived[self._oldest] = self._arrived[self._oldest], value
            self._oldest = (self._oldest + 1) % self._most
            del self.ordered[bisect_left(self.ordered, old)]
        insort(self.ordered, value)

    def nearest(self, value: float) -> float:
        """How far the nearest number lies from `value`. Raises IndexError where there is none."""
        ordered = self.ordered
        at = bisect_left(ordered, value)
        if at == len(ordered):
            return value - ordered[at - 1]
        above = ordered[at] - value
        return above if at == 0 else min(above, value - ordered[at - 1])

    def share(self, part: float) -> float:
        """The number below which that part of all lies, 0 <= part < 1."""
        return self.ordered[int(part * len(self.ordered))]
