"""Figures of quality from sums of errors. Pure; what is not known is None."""

from __future__ import annotations

import math

from msgspec import Struct

from fedsight.forecast.service.scoring import ABSOLUTE, COUNT, INSIDE, METHODS, SQUARED, Array


class MethodErrors(Struct, frozen=True):
    """Of one method: MAE and RMSE in the metric's unit, MASE without one.

    MASE is MAE over that of one-step persistence in the same period; None where nothing ever
    changed. Hyndman, Koehler 2006, "Another look at measures of forecast accuracy".
    """

    mae: float
    rmse: float
    mase: float | None


class HorizonQuality(Struct, frozen=True):
    """Of forecasts so many steps ahead: `coverage` is the share of values within the interval."""

    horizon: int
    seconds: float
    scored: int
    coverage: float
    model: MethodErrors
    persistence: MethodErrors
    median_30: MethodErrors


def by_horizon(sums: Array, horizons: tuple[int, ...], step: float) -> list[HorizonQuality]:
    """The quality at each horizon of which something was scored, from sums (horizons, SUMS) of one
    metric; rows are `step` seconds apart."""
    naive = _naive(sums, horizons)
    return [
        HorizonQuality(
            horizon,
            horizon * step,
            int(line[COUNT]),
            line[INSIDE] / line[COUNT],
            *(_errors(line, at, naive) for at in range(len(METHODS))),
        )
        for horizon, line in zip(horizons, sums.tolist(), strict=True)
        if line[COUNT]
    ]


def coverage(sums: Array) -> float | None:
    """The share of values within the interval, over all horizons."""
    count = sums[..., COUNT].sum()
    return float(sums[..., INSIDE].sum() / count) if count else None


def _errors(line: list[float], at: int, naive: float | None) -> MethodErrors:
    count = line[COUNT]
    mae = line[ABSOLUTE][at] / count
    return MethodErrors(mae, math.sqrt(line[SQUARED][at] / count), mae / naive if naive else None)


def _naive(sums: Array, horizons: tuple[int, ...]) -> float | None:
    """MAE of one-step persistence."""
    first = sums[0]
    if horizons[0] != 1 or not first[COUNT]:
        return None
    return float(first[ABSOLUTE][METHODS.index("persistence")] / first[COUNT])
