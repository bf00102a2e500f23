"""What a forecast must beat: methods without a network, from the same rows.

Each takes a series (n,) in any unit and the rows `at` (m,) that forecasts start from, and gives
values (m, horizon) in the same unit. None reads a row after its origin; what is fitted, is fitted
on the rows before `until`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fedsight.forecast.scale import Array

Origins = NDArray[np.int64]

#: Rows of the moving median that stands beside every figure.
MEDIAN_ROWS = 30
#: Weight of the ridge penalty, for inputs of unit variance.
RIDGE = 1.0


def persistence(series: Array, at: Origins, horizon: int) -> Array:
    """The last value stays."""
    return _flat(series[at], horizon)


def moving_median(series: Array, at: Origins, horizon: int, rows: int = MEDIAN_ROWS) -> Array:
    """The median of the last `rows` stays."""
    return _flat(np.median(_past(series, at, rows), axis=1), horizon)


def seasonal_naive(series: Array, at: Origins, horizon: int, period: int) -> Array:
    """What was a whole number of periods ago comes again."""
    steps = np.arange(1, horizon + 1)
    found: Array = series[at[:, None] + steps - period * -(-steps // period)]
    return found


def drift(series: Array, at: Origins, horizon: int) -> Array:
    """The line through the first value and the last one goes on."""
    slope = (series[at] - series[0]) / at
    found: Array = series[at][:, None] + slope[:, None] * np.arange(1, horizon + 1)
    return found


def autoregression(series: Array, at: Origins, horizon: int, training: Origins, lags: int) -> Array:
    """Each step ahead is linear in the last `lags` rows, both less the last one: ridge regression
    on the windows that start from `training`, a model a step.

    Hoerl, Kennard 1970, "Ridge regression".
    """
    training = training[training >= lags - 1]
    inputs = _past(series, training, lags) - series[training][:, None]
    ahead = series[training[:, None] + np.arange(1, horizon + 1)] - series[training][:, None]
    unit = inputs.std() or 1.0
    design = np.column_stack([inputs / unit, np.ones(len(inputs))])
    penalty = RIDGE * np.eye(lags + 1)
    penalty[-1, -1] = 0
    weights = np.linalg.solve(design.T @ design + penalty, design.T @ ahead)
    now = (_past(series, at, lags) - series[at][:, None]) / unit
    found: Array = series[at][:, None] + np.column_stack([now, np.ones(len(now))]) @ weights
    return found


def smoothed(series: Array, at: Origins, horizon: int, alpha: float) -> Array:
    """The exponentially smoothed level stays; `alpha` is fitted elsewhere."""
    level, levels = series[0], np.empty_like(series)
    for row, value in enumerate(series):
        level = level + alpha * (value - level)
        levels[row] = level
    return _flat(levels[at], horizon)


def _past(series: Array, at: Origins, rows: int) -> Array:
    found: Array = series[at[:, None] + np.arange(1 - rows, 1)]
    return found


def _flat(values: Array, horizon: int) -> Array:
    return np.repeat(values[:, None], horizon, axis=1)
