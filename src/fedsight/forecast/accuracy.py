"""How far forecasts were from what came: in real units, and beside a naive forecast."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fedsight.errors import SeriesError
from fedsight.forecast.scale import Array


@dataclass(frozen=True)
class Accuracy:
    """One method on one node, by horizon: each has shape (horizon,).

    `mae` and `rmse` are in the series' unit; `mase` is the mean absolute scaled error, `mae` over
    the node's naive error (Hyndman, Koehler 2006, "Another look at measures of forecast
    accuracy"). `coverage` is the share of values within the interval; NaN where there is none.
    """

    mae: Array
    rmse: Array
    mase: Array
    coverage: Array


def naive_error(series: Array) -> float:
    """The mean absolute difference of one row and the next: what one unit of MASE is.

    Raises SeriesError where a series never changes.
    """
    steps = np.abs(np.diff(series))
    found = float(steps[np.isfinite(steps)].mean())
    if found == 0:
        raise SeriesError("a series that never changes has no scaled error")
    return found


def accuracy(
    values: Array, actual: Array, naive: float, interval: tuple[Array, Array] | None = None
) -> Accuracy:
    """Of forecasts and what came, both (n, horizon); `interval` is its lower and upper ends."""
    errors = np.abs(values - actual)
    mae = errors.mean(axis=0)
    if interval is None:
        coverage = np.full(len(mae), np.nan)
    else:
        coverage = ((interval[0] <= actual) & (actual <= interval[1])).mean(axis=0)
    return Accuracy(mae, np.sqrt((errors**2).mean(axis=0)), mae / naive, coverage)
