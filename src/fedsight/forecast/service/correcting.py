"""Adaptive conformal widths of one node at the horizons that are scored, between them by a line."""

from __future__ import annotations

import numpy as np

from fedsight.forecast import calibration
from fedsight.forecast.model import ModelShape
from fedsight.forecast.scale import Scale
from fedsight.forecast.service.past import LEAST_ORIGINS, Past
from fedsight.forecast.service.scoring import Array, Score


class Corrections:
    """Corrects intervals of one shape. What is learned has shape (scored horizons, metrics); None
    before the first score."""

    def __init__(self, shape: ModelShape, horizons: tuple[int, ...]) -> None:
        self._quantiles = shape.quantiles
        self._metrics = len(shape.metrics)
        self._scored = np.array(horizons, np.int64)
        self._all = np.arange(1, shape.horizon + 1)

    def begun(self, past: Past, scale: Scale) -> Array:
        """What the node's window already tells: widths that would have held just often enough for
        forecasts from its own rows. A horizon with too few of them, and a metric that is constant,
        keep the forecast's own width."""
        widths: Array = calibration.unlearned(len(self._scored), self._metrics)
        for at, horizon in enumerate(self._scored.tolist()):
            came = past.came[:, horizon - 1 : horizon]
            there = np.isfinite(came).all(axis=(1, 2))
            if there.sum() >= LEAST_ORIGINS:
                foreseen = past.fans[there, horizon - 1 : horizon]
                found_width = calibration.split(foreseen, came[there], self._quantiles)[0]
                widths[at] = np.where(scale.varies, found_width, 0.0)
        return widths

    def told(self, learned: Array | None, values: Array) -> Array:
        """Values (horizon, metrics, quantiles), corrected."""
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
