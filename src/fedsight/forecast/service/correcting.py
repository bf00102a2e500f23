"""Adaptive conformal widths of one node at the horizons that are scored, between them by a line."""

from __future__ import annotations

import numpy as np

from fedsight.forecast import calibration
from fedsight.forecast.model import ModelShape
from fedsight.forecast.service.scoring import Array, Score


class Corrections:
    """Corrects intervals of one shape. What is learned has shape (scored horizons, metrics); None
    before the first score."""

    def __init__(self, shape: ModelShape, horizons: tuple[int, ...]) -> None:
        self._quantiles = shape.quantiles
        self._metrics = len(shape.metrics)
        self._scored = np.array(horizons, np.int64)
        self._all = np.arange(1, shape.horizon + 1)

    def told(self, learned: Array | None, values: Array) -> Array:
        """The model's values (horizon, metrics, quantiles), corrected."""
        if learned is None:
            return values
        columns = [
            np.interp(self._all, self._scored, learned[:, at]) for at in range(self._metrics)
        ]
        return calibration.widened(values, np.stack(columns, axis=1), self._quantiles)

    def learned(self, before: Array | None, score: Score) -> Array:
        """What is known after one more value came."""
        count = len(self._scored)
        widths = calibration.unlearned(count, self._metrics) if before is None else before.copy()
        part = slice(score.at, score.at + 1)
        widths[part] = calibration.learned(
            widths[part], score.inside[None], self._scored[part], self._quantiles
        )
        return widths
