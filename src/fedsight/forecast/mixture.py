"""A convex mixture of two forecasts of one node: weights by horizon, chosen on validation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fedsight.forecast.scale import Array

#: Weights that are tried, and the steps within which one weight holds.
WEIGHTS = np.linspace(0.0, 1.0, 11)
GROUPS = ((0, 5), (5, 25), (25, None))


def weights(
    one: Array,
    other: Array,
    actual: Array,
    groups: Sequence[tuple[int, int | None]] = GROUPS,
) -> Array:
    """How much of `one` to take at each step, (horizon,): what gave the least absolute error.

    `one`, `other` and `actual` are validation forecasts and what came, (n, horizon).
    """
    found = np.empty(one.shape[1])
    for first, last in groups:
        part = (slice(None), slice(first, last))
        errors = [
            np.abs(weight * one[part] + (1 - weight) * other[part] - actual[part]).mean()
            for weight in WEIGHTS
        ]
        found[first:last] = WEIGHTS[int(np.argmin(errors))]
    return found


def mixed(one: Array, other: Array, share: Array) -> Array:
    """Forecasts (n, horizon), `share` (horizon,) of `one` and the rest of `other`."""
    return share * one + (1 - share) * other
