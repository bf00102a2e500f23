"""Units that a model can learn in: a node's own, then a window's own.

First each metric of a node becomes z = (value - mean) / sd, with the mean and sd of that node's
training part; they never leave the node. Then each window is centred on its own level, the median
of its last 30 rows (or of fewer, where the node foresees better so: `levelled`, which stays there
too), and divided by its own spread sqrt(var + 0.04): reversible instance
normalisation without affine part (Kim et al. 2022, "Reversible instance normalization for accurate
time-series forecasting against distribution shift"), with a median where they have the mean. So a
model that has learned nothing forecasts the moving median, and what it learns are departures from
it. The floor of 0.04, a fifth of the node's sd, keeps a flat window from being blown up.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from fedsight.errors import SeriesError

Array = NDArray[np.float64]

#: Added to a window's variance, in the node's z-scores.
FLOOR = 0.04
#: Of how many of its last rows a window's level may be the median: the first one, which follows no
#: spike, unless another's error is at most this share of its error.
LEVELS, CLEARLY = (30, 5, 1), 0.95


@dataclass(frozen=True)
class Scale:
    """Mean and standard deviation of each metric over a node's training rows, in real units.

    Both have shape (metrics,); `sd` is positive, or 0 where a metric never changes and that is
    allowed (`allowing`). `level` (metrics,) says of how many of its last rows a window's level is
    the median; None: of all rows that a forecast needs.
    """

    mean: Array
    sd: Array
    level: NDArray[np.int64] | None = None

    @classmethod
    def of(cls, rows: Array, metrics: tuple[str, ...]) -> Scale:
        """The scale of training rows (n, metrics); what is not measured (NaN) is left out.

        Raises SeriesError where a metric was never measured, or never changes: there is nothing
        to learn, and no unit to learn it in.
        """
        for at, metric in enumerate(metrics):
            seen = rows[:, at][np.isfinite(rows[:, at])]
            if not len(seen):
                raise SeriesError(f"{metric} has no measured value in the training part")
            if _is_constant(seen):
                raise SeriesError(
                    f"{metric} is {seen[0]:g} in all {len(seen)} rows of the training part; "
                    "a constant cannot be learned"
                )
        return cls(np.nanmean(rows, axis=0), np.nanstd(rows, axis=0))

    @classmethod
    def allowing(cls, rows: Array, metrics: tuple[str, ...]) -> Scale:
        """As `of`, but a metric that never changes has an sd of 0, unless all are so.

        Raises SeriesError then, and where a metric was never measured.
        """
        seen = [one[np.isfinite(one)] for one in rows.T]
        varies = np.array([len(one) == 0 or not _is_constant(one) for one in seen])
        if not varies.any():
            said = ", ".join(
                f"{name} is {one[0]:g}" for name, one in zip(metrics, seen, strict=True)
            )
            raise SeriesError(f"{said} throughout the window; a constant is not foreseen")
        changing = tuple(name for name, one in zip(metrics, varies, strict=True) if one)
        found = cls.of(rows[:, varies], changing)
        mean = np.array([one[0] if len(one) else np.nan for one in seen])
        sd = np.zeros(len(metrics))
        mean[varies], sd[varies] = found.mean, found.sd
        return cls(mean, sd)

    @property
    def varies(self) -> NDArray[np.bool_]:
        """(metrics,): which of them change."""
        return self.sd > 0

    @property
    def unit(self) -> Array:
        """(metrics,): what a z-score of 1 is; a constant's z-scores are 0 in any unit."""
        return np.where(self.varies, self.sd, 1.0)

    def levels(self, rows: int) -> NDArray[np.int64]:
        """(metrics,): `level`, where a forecast needs so many rows."""
        return np.full(len(self.mean), rows) if self.level is None else self.level

    def unitless(self, rows: Array) -> Array:
        """Rows (..., metrics) in real units as the node's z-scores."""
        return (rows - self.mean) / self.sd

    def real(self, scores: Array) -> Array:
        """The inverse of `unitless`."""
        return scores * self.sd + self.mean

    def levelled(self, rows: Array, at: NDArray[np.int64], horizon: int) -> Scale:
        """The same with the levels that foresee best, each held flat, from the rows `at` (n,) of
        `rows` (., metrics): of `LEVELS` the one of least mean absolute error, if `CLEARLY`."""
        if not len(at):
            return self
        came = rows[at[:, None] + np.arange(1, horizon + 1)]
        errors = []
        for many in LEVELS:
            level = np.median(rows[at[:, None] + np.arange(1 - many, 1)], axis=1)
            errors.append(np.abs(came - level[:, None]).mean(axis=(0, 1)))
        errors[0] = errors[0] * CLEARLY
        best = np.argmin(np.stack(errors), axis=0)
        return replace(self, level=np.array(LEVELS, np.int64)[best])


def _is_constant(seen: Array) -> bool:
    # Differences may be too small to square.
    return bool(np.ptp(seen) == 0 or np.std(seen) == 0)


@dataclass(frozen=True)
class Normalised:
    """Windows in their own units, and the way back.

    `inputs` (batch, time_step, metrics); `centre` and `spread` (batch, metrics) in z-scores.
    """

    inputs: Array
    centre: Array
    spread: Array

    def back(self, outputs: Array) -> Array:
        """Model outputs (batch, horizon, metrics, quantiles) in the node's z-scores."""
        return outputs * self.spread[:, None, :, None] + self.centre[:, None, :, None]


def normalised(scores: Array, time_step: int, level: NDArray[np.int64] | None = None) -> Normalised:
    """Windows (batch, rows, metrics) of z-scores in their own units.

    The last `level` rows give the level, by metric or by window and metric, all of them where it is
    None; the last `time_step` of them give the spread and are the model's input.
    """
    window, centre = scores[:, -time_step:], centres(scores, level)
    spread = np.sqrt(window.var(axis=1) + FLOOR)
    return Normalised((window - centre[:, None]) / spread[:, None], centre, spread)


def centres(rows: Array, level: NDArray[np.int64] | None = None) -> Array:
    """The levels (batch, metrics) of windows (batch, rows, metrics) in any unit; `level` as in
    `normalised`."""
    found: Array = np.median(rows, axis=1)
    for many in () if level is None else np.unique(level):
        near = np.median(rows[:, -int(many) :], axis=1)
        found = np.where(level == many, near, found)
    return found
