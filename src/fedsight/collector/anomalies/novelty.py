"""How far a point lies from everything seen before: its value, and the shape it ends.

Nearest-neighbour novelty, as in KNN-CAD (Burnaev, Ishimtsev 2016, "Conformalized density- and
distance-based anomaly detection in time-series data") and the matrix profile (Yeh et al. 2016);
shapes are reduced to means of pieces (PAA: Keogh et al. 2001).
"""

from __future__ import annotations

import math
from collections import deque

import numpy as np
from numpy.typing import NDArray

from fedsight.collector.anomalies.memory import Memory

#: A value is compared once so many came before it.
FIRST_VALUES = 21
#: A shape is this many means of so many points each; every other one is remembered.
PIECES, PIECE = 16, 4
SPAN = PIECES * PIECE
EVERY = 2
#: The most that a point of a shape lies from the origin: squares of what lies beyond are no
#: float32.
FURTHEST = 1e18
#: Shapes are compared once there are some of them that do not overlap the newest.
FIRST_SHAPES = 2 * SPAN + 20
#: Running means that are held before the last of them are moved to the front.
_ROOM = 16 * SPAN


class ValueNovelty:
    """The distance of each value to the nearest of the last `most` before it."""

    def __init__(self, most: int) -> None:
        self.seen = Memory(most)

    def of(self, value: float) -> float | None:
        """How new a value is; None for the first few."""
        found = self.seen.nearest(value) if len(self.seen) >= FIRST_VALUES else None
        self.seen.add(value)
        return found


class ShapeNovelty:
    """The Euclidean distance of the last `SPAN` points' shape to the nearest of `most` before it.

    Shapes are not normalised: a level is part of a shape. They are held as float32 around the
    series' first value, in an array that grows as it is filled.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._shapes: NDArray[np.float32] = np.empty((min(64, most), PIECES), np.float32)
        self._room: NDArray[np.float32] = np.empty_like(self._shapes)
        self._held = self._next = 0
        self._young: deque[tuple[int, NDArray[np.float32]]] = deque()
        self._means = np.zeros(_ROOM)
        self._count = self._at = self._since_gap = 0
        self._last: deque[float] = deque(maxlen=PIECE)
        self._origin: float | None = None

    def gap(self) -> None:
        """Points are missing here: no shape may span them."""
        self._since_gap = 0
        self._last.clear()

    def of(self, value: float) -> float | None:
        """How new the shape is that ends with `value`; None while there is none to compare."""
        if self._origin is None:
            self._origin = value
        self._last.append(max(-FURTHEST, min(FURTHEST, value - self._origin)))
        self._append(sum(self._last) / len(self._last))
        self._ripen()
        if self._since_gap < SPAN:
            return None
        shape = self._means[self._at - SPAN + PIECE - 1 : self._at : PIECE].astype(np.float32)
        if self._count % EVERY == 0:
            self._young.append((self._count, shape))
        if self._count < FIRST_SHAPES or not self._held:
            return None
        return self._nearest(shape)

    def _append(self, mean: float) -> None:
        if self._at == _ROOM:
            self._means[:SPAN] = self._means[-SPAN:]
            self._at = SPAN
        self._means[self._at] = mean
        self._at += 1
        self._count += 1
        self._since_gap += 1

    def _ripen(self) -> None:
        """Shapes that the newest no longer overlaps may be found from now on."""
        while self._young and self._young[0][0] <= self._count - SPAN:
            if self._next == len(self._shapes) < self._most:
                self._grow()
            self._shapes[self._next] = self._young.popleft()[1]
            self._held = max(self._held, self._next + 1)
            self._next = (self._next + 1) % self._most

    def _grow(self) -> None:
        larger = np.empty((min(2 * len(self._shapes), self._most), PIECES), np.float32)
        larger[: self._held] = self._shapes
        self._shapes, self._room = larger, np.empty_like(larger)

    def _nearest(self, shape: NDArray[np.float32]) -> float:
        away = np.subtract(self._shapes[: self._held], shape, out=self._room[: self._held])
        return math.sqrt(float(np.einsum("ij,ij->i", away, away).min()))
