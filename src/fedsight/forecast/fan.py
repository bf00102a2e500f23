"""From rows in real units to a fan of forecasts in real units."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from fedsight.errors import SeriesError
from fedsight.forecast.model import Forecaster
from fedsight.forecast.scale import Array, Scale, normalised


@dataclass(frozen=True)
class Fan:
    """What one node's metrics will be, in real units.

    `time` (horizon,) Unix ns; `values` (horizon, metrics, quantiles), ascending along the last.
    """

    time: NDArray[np.int64]
    metrics: tuple[str, ...]
    quantiles: tuple[float, ...]
    values: Array

    def quantile(self, metric: str, level: float) -> Array:
        """One line of the fan, shape (horizon,)."""
        return self.values[:, self.metrics.index(metric), self.quantiles.index(level)]


def forecast(model: Forecaster, rows: pd.DataFrame, scale: Scale) -> Fan:
    """The fan after the last of `rows`: index Unix ns ascending, the model's metrics as columns.

    Raises SeriesError where there are fewer rows than `shape.rows`, or a gap among the last ones.
    """
    shape = model.shape
    missing = [metric for metric in shape.metrics if metric not in rows]
    if missing:
        raise SeriesError(
            f"no column {', '.join(missing)}; there are {', '.join(map(str, rows.columns))}"
        )
    recent = rows[list(shape.metrics)].iloc[-shape.rows :]
    time, values = recent.index.to_numpy(np.int64), recent.to_numpy(float)
    step = _step(time, values, shape.rows)
    found = forecasts(model, values[None], [scale])[0]
    ahead = time[-1] + step * np.arange(1, shape.horizon + 1, dtype=np.int64)
    return Fan(ahead, shape.metrics, shape.quantiles, found)


def forecasts(model: Forecaster, rows: Array, scales: Sequence[Scale]) -> Array:
    """Many nodes at once: rows (nodes, shape.rows, metrics) in real units, one scale a node, to
    values (nodes, horizon, metrics, quantiles) in real units. A metric that a scale knows as
    constant is zeros to the model, and stays what it is."""
    mean = np.stack([scale.mean for scale in scales])[:, None]
    sd = np.stack([scale.sd for scale in scales])[:, None]
    unit = np.stack([scale.unit for scale in scales])[:, None]
    level = np.stack([scale.levels(rows.shape[1]) for scale in scales])
    windows = normalised((rows - mean) / unit, model.shape.time_step, level)
    with torch.inference_mode():
        outputs = model(torch.from_numpy(windows.inputs).float()).numpy().astype(float)
    return windows.back(outputs) * sd[..., None] + mean[..., None]


def _step(time: NDArray[np.int64], values: Array, needed: int) -> int:
    """The rows' usual distance, ns. Raises SeriesError where they are too few or have a gap."""
    if len(time) < needed:
        raise SeriesError(f"a forecast needs {needed} rows; there are {len(time)}")
    steps = np.diff(time)
    step = int(np.median(steps))
    if not np.isfinite(values).all() or steps.max() > 1.5 * step:
        raise SeriesError(f"a gap lies within the last {needed} rows, so nothing is forecast")
    return step
