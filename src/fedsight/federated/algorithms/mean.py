"""Weighted means that hold one running sum, however many values come."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from fedsight.federated.flat import Vector

#: Values that are multiplied and added at once: a megabyte of float32. Shorter runs through memory
#: are slower (a quarter more time at 2^16), longer ones no faster.
BLOCK = 1 << 18


class WeightedMean:
    """A running mean of vectors by weight: one vector held, however many come.

    Adds `vector * weight` in the order given and divides once at the end, in the vectors' own
    dtype, so that the result depends on that order alone. Products are made a block at a time,
    which stays in the processor's cache.
    """

    def __init__(self) -> None:
        self._sum: Vector | None = None
        self._product: Vector = np.empty(0, np.float32)
        self.weight: float | int = 0

    def add(self, vector: Vector, weight: float | int) -> None:
        """Take in one update, shape (n,), which is not written to and not kept."""
        factor = vector.dtype.type(weight)
        self.weight += weight
        if self._sum is None:
            self._sum = vector * factor
            self._product = np.empty(min(BLOCK, len(vector)), vector.dtype)
            return
        for start in range(0, len(vector), BLOCK):
            total = self._sum[start : start + BLOCK]
            product = self._product[: len(total)]
            np.multiply(vector[start : start + BLOCK], factor, out=product)
            np.add(total, product, out=total)

    def result(self) -> Vector | None:
        """The mean, or None where nothing with a weight came. The running sum is used up."""
        found, self._sum = self._sum, None
        if found is None or self.weight == 0:
            return None
        found /= found.dtype.type(self.weight)
        return found


class MeanFigures:
    """Means of the nodes' figures by weight, each of the nodes that report it."""

    def __init__(self) -> None:
        self._sums: dict[str, float] = {}
        self._weights: dict[str, float] = {}

    def add(self, figures: Mapping[str, float], weight: float) -> None:
        """Take in one node's figures."""
        for key, value in figures.items():
            self._sums[key] = self._sums.get(key, 0.0) + value * weight
            self._weights[key] = self._weights.get(key, 0) + weight

    def result(self) -> dict[str, float]:
        """The mean of each figure that came with a weight."""
        known = {key: weight for key, weight in self._weights.items() if weight}
        return {key: self._sums[key] / weight for key, weight in known.items()}
