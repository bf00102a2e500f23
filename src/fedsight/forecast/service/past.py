"""What a model would have foreseen from a node's own rows, beside what came."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fedsight.forecast.fan import forecasts
from fedsight.forecast.scale import Scale, centres
from fedsight.forecast.service.predictor import Known, Loaded
from fedsight.forecast.service.scoring import Array

#: Forecasts within a window that anything is chosen by, at the least, and at the most: the newest.
LEAST_ORIGINS, MOST_ORIGINS = 20, 1000


@dataclass(frozen=True)
class Past:
    """Forecasts from rows of the past, one after the other, in real units.

    `fans` (n, horizon, metrics, quantiles); `level` (n, metrics) is what each was centred on;
    `came` (n, horizon, metrics) is NaN where no row is there yet or it was not whole.
    """

    fans: Array
    level: Array
    came: Array


def past(one: Known, loaded: Loaded, scale: Scale) -> Past | None:
    """Of the rows of a node's window, by the model that foresees it; None where they are too few.

    Only rows after which one came at least, and before which as many as the model looks back.
    """
    rows, values, horizon = loaded.shape.rows, one.values, loaded.shape.horizon
    whole: NDArray[np.bool_] = np.asarray(np.isfinite(values).all(axis=1))
    ends = np.arange(rows - 1, len(values) - 1)
    ends = ends[[bool(whole[end - rows + 1 : end + 1].all()) for end in ends]][-MOST_ORIGINS:]
    if len(ends) < LEAST_ORIGINS:
        return None
    windows = np.stack([values[end - rows + 1 : end + 1] for end in ends])
    fans = forecasts(loaded.model_of(one.node), windows, [scale] * len(windows))
    unknown = np.full((horizon, values.shape[1]), np.nan)
    later = np.concatenate([np.where(whole[:, None], values, np.nan), unknown])
    came = later[ends[:, None] + np.arange(1, horizon + 1)]
    return Past(fans, centres(windows, scale.levels(rows)), came)
