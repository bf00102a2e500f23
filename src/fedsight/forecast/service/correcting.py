"""Adaptive conformal widths of one node at the horizons that are scored, between them by a line."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fedsight.forecast import calibration
from fedsight.forecast.fan import forecasts
from fedsight.forecast.model import ModelShape
from fedsight.forecast.scale import Scale
from fedsight.forecast.service.predictor import Known, Loaded
from fedsight.forecast.service.scoring import Array, Score

#: Forecasts within a window that widths are begun from, at the least.
LEAST_ORIGINS = 20


class Corrections:
    """Corrects intervals of one shape. What is learned has shape (scored horizons, metrics); None
    before the first score."""

    def __init__(self, shape: ModelShape, horizons: tuple[int, ...]) -> None:
        self._quantiles = shape.quantiles
        self._metrics = len(shape.metrics)
        self._scored = np.array(horizons, np.int64)
        self._all = np.arange(1, shape.horizon + 1)

    def begun(self, one: Known, loaded: Loaded, scale: Scale) -> Array | None:
        """What the node's window already tells: widths that would have held just often enough for
        forecasts from its own rows. A horizon with too few of them keeps the model's own width;
        None where all do, and a metric that is constant."""
        rows, values = loaded.shape.rows, one.values
        whole: NDArray[np.bool_] = np.asarray(np.isfinite(values).all(axis=1))
        ends = np.arange(rows - 1, len(values) - 1)
        ends = ends[[bool(whole[end - rows + 1 : end + 1].all()) for end in ends]]
        if len(ends) < LEAST_ORIGINS:
            return None
        past = np.stack([values[end - rows + 1 : end + 1] for end in ends])
        found = forecasts(loaded.model_of(one.node), past, [scale] * len(past))
        widths: Array = calibration.unlearned(len(self._scored), self._metrics)
        for at, horizon in enumerate(self._scored.tolist()):
            there = ends + horizon < len(values)
            there[there] = whole[ends[there] + horizon]
            if there.sum() >= LEAST_ORIGINS:
                foreseen = found[there, horizon - 1 : horizon]
                came = values[ends[there] + horizon][:, None]
                found_width = calibration.split(foreseen, came, self._quantiles)[0]
                widths[at] = np.where(scale.varies, found_width, 0.0)
        return widths

    def told(self, learned: Array | None, values: Array) -> Array:
        """The model's values (horizon, metrics, quantiles), corrected."""
        if learned is None:
            return values
        columns = [
            np.interp(self._all, self._scored, learned[:, at]) for at in range(self._metrics)
        ]
        return calibration.widened(values, np.stack(columns, axis=1), self._quantiles)

    def learned(self, before: Array | None, score: Score) -> Array:
        """What is known after one more value came of each metric that was foreseen."""
        count = len(self._scored)
        widths = calibration.unlearned(count, self._metrics) if before is None else before.copy()
        part = slice(score.at, score.at + 1)
        learned = calibration.learned(
            widths[part], score.inside[None], self._scored[part], self._quantiles
        )
        widths[part] = np.where(score.there, learned, widths[part])
        return widths
