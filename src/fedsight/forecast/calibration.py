"""Intervals that keep their promise: widths that follow how often they held, node by node.

Adaptive conformal inference (Gibbs, Candès 2021, "Adaptive conformal inference under distribution
shift"), in the form that follows the quantile itself (Angelopoulos, Candès, Tibshirani 2023,
"Conformal PID control for time series prediction"): each node has, for each horizon and metric, one
width, which grows when a value lies outside the interval that was told and shrinks when it lies
inside, in such a ratio that it rests where the coverage is the one promised. The score is that of
conformalised quantile regression in its relative form (Sesia, Candès 2020, "A comparison of some
conformal quantile regression methods"): how many times the model's own half-interval the value
lies away from its median. So a width needs no unit, and the median stays within.

Whether a forecast `h` steps ahead held is known `h` steps later, and `h` forecasts are under way
meanwhile. So the rate falls with the horizon, or widths would swing.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fedsight.forecast.scale import Array

#: How fast a logarithmic width follows: `RATE / (DELAY + horizon)` for each forecast.
RATE, DELAY = 1.0, 20.0
#: Widths stay within these, so that one wild hour is forgotten again.
LEAST, MOST = np.log(0.2), np.log(10.0)
#: A short validation part must not start them further off than this.
LEAST_START, MOST_START = np.log(0.5), np.log(3.0)


def unlearned(horizon: int, metrics: int) -> Array:
    """Logarithmic widths (horizon, metrics) of a node that nothing is known of: the model's own."""
    return np.zeros((horizon, metrics))


def coverage(quantiles: tuple[float, ...]) -> float:
    """The share of values that the outermost quantiles promise to hold."""
    return quantiles[-1] - quantiles[0]


def split(values: Array, actual: Array, quantiles: tuple[float, ...]) -> Array:
    """Where to start: the widths that would have held just often enough on validation forecasts.

    `values` (n, horizon, metrics, quantiles), `actual` (n, horizon, metrics); Romano, Patterson,
    Candès 2019, "Conformalized quantile regression".
    """
    middle = values[..., quantiles.index(0.5)]
    below, above = middle - values[..., 0], values[..., -1] - middle
    away = actual - middle
    half = np.where(away < 0, below, above)
    times = np.abs(away) / np.maximum(half, np.finfo(float).tiny)
    wanted = np.quantile(times, coverage(quantiles), axis=0)
    return np.clip(np.log(np.maximum(wanted, np.exp(LEAST_START))), LEAST_START, MOST_START)


def widened(values: Array, widths: Array, quantiles: tuple[float, ...]) -> Array:
    """Forecasts (..., horizon, metrics, quantiles) with every quantile moved away from the median,
    or towards it, by the node's logarithmic widths (horizon, metrics)."""
    middle = values[..., quantiles.index(0.5), None]
    return middle + (values - middle) * np.exp(widths)[..., None]


def learned(
    widths: Array,
    inside: NDArray[np.bool_],
    horizons: NDArray[np.int64],
    quantiles: tuple[float, ...],
) -> Array:
    """Widths (n, metrics) of `horizons` (n,), in steps, after one value each came.

    `inside` (n, metrics): whether it lay within the interval that was told.
    """
    rate = RATE / (DELAY + horizons[:, None])
    missed = np.where(inside, 0.0, 1.0) - (1 - coverage(quantiles))
    return np.clip(widths + rate * missed, LEAST, MOST)


def followed(
    values: Array, actual: Array, widths: Array, quantiles: tuple[float, ...]
) -> tuple[Array, Array]:
    """A node's forecasts from one row after the other, each corrected by what was known by then.

    `values` (n, horizon, metrics, quantiles), from consecutive rows; `actual` (n, horizon,
    metrics). Returns the corrected values, and the widths at the end.
    """
    count, horizon = values.shape[:2]
    told, steps = np.empty_like(values), np.arange(1, horizon + 1)
    for now in range(count):
        # The row that came now was foreseen 1, 2, ... steps ago.
        known = steps[steps <= now]
        past = now - known
        low, high = told[past, known - 1, :, 0], told[past, known - 1, :, -1]
        came = actual[past, known - 1]
        inside = (low <= came) & (came <= high)
        widths = widths.copy()
        widths[known - 1] = learned(widths[known - 1], inside, known, quantiles)
        told[now] = widened(values[now], widths, quantiles)
    return told, widths
