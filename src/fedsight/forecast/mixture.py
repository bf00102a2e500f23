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
    least: int = 1,
) -> Array:
    """How much of `one` to take at each step, (horizon,): what gave the least absolute error.

    `one`, `other` and `actual` are validation forecasts and what came, (n, horizon); NaN came
    not. Where fewer than `least` forecasts within a group have what came, `one` is taken as it is.
    """
    found = np.ones(one.shape[1])
    for first, last in groups:
        part = (slice(None), slice(first, last))
        there = np.isfinite(actual[part])
        if not there.any() or there.any(axis=1).sum() < least:
            continue
        away = (one[part] - other[part])[there]
        left = (actual[part] - other[part])[there]
        errors = [np.abs(weight * away - left).mean() for weight in WEIGHTS]
        found[first:last] = WEIGHTS[int(np.argmin(errors))]
    return found


def shares(middle: Array, level: Array, actual: Array, least: int = 1) -> Array:
    """`weights` of each metric of a node, (horizon, metrics): of its model beside a flat level.

    `middle` and `actual` (n, horizon, metrics); `level` (n, metrics), what windows are centred on.
    """
    steps, metrics = middle.shape[1:]
    flat = np.repeat(level[:, None], steps, axis=1)
    columns = [
        weights(middle[..., at], flat[..., at], actual[..., at], least=least)
        for at in range(metrics)
    ]
    return np.stack(columns, axis=1)


def mixed(one: Array, other: Array, share: Array) -> Array:
    """Forecasts (n, horizon), `share` (horizon,) of `one` and the rest of `other`."""
    return share * one + (1 - share) * other


def moved(fan: Array, middle: int, other: Array, share: Array) -> Array:
    """Fans (..., quantiles), each moved as a whole to where its median, the quantile at `middle`,
    is mixed with `other` (...)."""
    median = fan[..., middle]
    return fan + (mixed(median, other, share) - median)[..., None]
