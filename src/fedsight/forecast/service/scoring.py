"""What was foreseen beside what came: errors as sums, so that any period can be put together.

Two baselines are scored on the same origins: persistence (the last row stays) and the moving
median of the last 30 rows. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

#: Horizons, in steps, at which forecasts are scored: between them errors hardly differ.
GRID = (1, 2, 3, 5, 7, 10, 15, 20, 30, 50, 70, 100)
#: Rows behind the moving median.
MEDIAN_ROWS = 30
METHODS = ("model", "persistence", "median_30")
#: What is summed, in the last axis of sums: how many, then of each method absolute and squared
#: errors, then how often the value lay within the outer quantiles, and the loss in the node's sd.
COUNT, INSIDE, LOSS = 0, 7, 8
ABSOLUTE, SQUARED = slice(1, 4), slice(4, 7)
SUMS = 9


def grid(horizon: int, told: tuple[int, ...] = ()) -> tuple[int, ...]:
    """The horizons that are scored, ascending: the last one and those that are told among them."""
    return tuple(sorted({step for step in (*GRID, *told, horizon) if step <= horizon}))


@dataclass(frozen=True)
class Foreseen:
    """One node's forecast, until its rows have come.

    `origin` is the time of the last row that it knew, rows are `step` apart (ns). `said` and `told`
    (scored horizons, metrics, quantiles) are the model's quantiles and the corrected ones; `last`,
    `median`, `sd` (metrics,) the baselines' forecasts and the node's spread, which is 0 where a
    metric was constant: of it nothing is foreseen, told or scored. `waits` (scored
    horizons,) marks those not scored yet. `version` is the model's; "": not known.
    """

    origin: int
    step: int
    said: Array
    told: Array
    last: Array
    median: Array
    sd: Array
    waits: NDArray[np.bool_]
    version: str = ""


@dataclass(frozen=True)
class Score:
    """A forecast's one horizon beside its row: all in real units, shapes as in `Foreseen`."""

    at: int
    time: int
    actual: Array
    said: Array
    told: Array
    errors: Array
    """(methods, metrics): forecast less actual."""
    sd: Array

    @property
    def there(self) -> NDArray[np.bool_]:
        """(metrics,): which were foreseen."""
        return self.sd > 0

    @property
    def inside(self) -> NDArray[np.bool_]:
        """(metrics,): whether the value lay within the outer quantiles that were told."""
        return (self.told[:, 0] <= self.actual) & (self.actual <= self.told[:, -1])


def baselines(values: Array) -> tuple[Array, Array]:
    """Of the last rows (rows, metrics): what persistence and the moving median foresee."""
    return values[-1], np.median(values[-MEDIAN_ROWS:], axis=0)


def scored(
    one: Foreseen, horizons: NDArray[np.int64], middle: int, times: NDArray[np.int64], rows: Array
) -> Iterator[Score]:
    """The scores of those horizons whose row is there and whole.

    `middle` is the median's place among the quantiles; `times` ascend, `rows` (rows, metrics).
    """
    for at in np.flatnonzero(one.waits):
        target = one.origin + int(horizons[at]) * one.step
        found = int(np.searchsorted(times, target - one.step // 2))
        if found == len(times) or times[found] > target + one.step // 2:
            continue
        actual = rows[found]
        if not np.isfinite(actual).all():
            continue
        forecasts = np.stack([one.told[at, :, middle], one.last, one.median])
        errors = forecasts - actual
        yield Score(int(at), target, actual, one.said[at], one.told[at], errors, one.sd)


def after(
    one: Foreseen, horizons: NDArray[np.int64], found: list[Score], oldest: int
) -> Foreseen | None:
    """What still waits; None where nothing does. Targets before `oldest` are given up."""
    waits = one.waits & (one.origin + horizons * one.step >= oldest)
    waits[[score.at for score in found]] = False
    return replace(one, waits=waits) if waits.any() else None


def losses(score: Score, levels: Array) -> Array:
    """(metrics,): mean pinball loss of what the model said, in the node's sd; 0 where nothing was.

    Koenker, Bassett 1978, "Regression quantiles".
    """
    away = score.actual[:, None] - score.said
    lost = np.maximum(levels * away, (levels - 1) * away).mean(axis=1)
    found: Array = np.where(score.there, lost / np.where(score.there, score.sd, 1.0), 0.0)
    return found


def add(sums: Array, score: Score, lost: Array) -> None:
    """Count one score, and its losses (metrics,), into sums (scored horizons, metrics, SUMS)."""
    line, there = sums[score.at], score.there
    errors = score.errors.T[there]
    line[there, COUNT] += 1
    line[there, ABSOLUTE] += np.abs(errors)
    line[there, SQUARED] += errors**2
    line[there, INSIDE] += score.inside[there]
    line[there, LOSS] += lost[there]
