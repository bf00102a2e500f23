"""From rows in real units to a fan in real units."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from fedsight.errors import SeriesError
from fedsight.forecast.fan import forecast, forecasts
from fedsight.forecast.model import Forecaster, ModelShape
from fedsight.forecast.scale import Scale

SECOND = 10**9
SHAPE = ModelShape(("power", "load"), horizon=5)


def rows(count: int = 40) -> pd.DataFrame:
    """Two columns, a row each 3 s."""
    time = np.arange(count, dtype=np.int64) * 3 * SECOND
    wave = np.sin(np.arange(count) / 3)
    return pd.DataFrame({"load": wave, "power": 50 + 7 * wave}, index=pd.Index(time, name="time"))


def scale(table: pd.DataFrame) -> Scale:
    return Scale.of(table[list(SHAPE.metrics)].to_numpy(), SHAPE.metrics)


def model() -> Forecaster:
    return Forecaster(SHAPE, torch.Generator().manual_seed(1))


def test_a_fan_lies_ahead_in_real_units_and_in_order() -> None:
    table = rows()
    fan = forecast(model(), table, scale(table))
    assert fan.time.tolist() == [(39 + step) * 3 * SECOND for step in range(1, 6)]
    assert fan.values.shape == (5, 2, 3)
    assert (np.diff(fan.values, axis=-1) >= 0).all()
    assert (np.abs(fan.quantile("power", 0.5) - 50) < 15).all()


def test_units_of_a_node_change_its_forecast_alike() -> None:
    """Twice the watts, shifted: twice the forecast, shifted."""
    table = rows()
    other = table * [1, 2] + [0, 30]
    once, twice = (forecast(model(), one, scale(one)).values for one in (table, other))
    np.testing.assert_allclose(twice[:, 0], once[:, 0] * 2 + 30, rtol=1e-5)


def test_many_nodes_at_once_are_each_as_if_alone() -> None:
    tables = [rows(), rows() * 3]
    scales = [scale(one) for one in tables]
    recent = np.stack([one[list(SHAPE.metrics)].to_numpy()[-SHAPE.rows :] for one in tables])
    found = forecasts(model(), recent, scales)
    for at, table in enumerate(tables):
        alone = forecast(model(), table, scales[at]).values
        np.testing.assert_allclose(found[at], alone, rtol=1e-5)


def test_what_cannot_be_foreseen_is_named() -> None:
    table = rows()
    known = scale(table)
    with pytest.raises(SeriesError, match="a forecast needs 30 rows; there are 20"):
        forecast(model(), table.iloc[:20], known)
    with pytest.raises(SeriesError, match="a gap lies within the last 30 rows"):
        forecast(model(), table.drop(table.index[25]), known)
    with pytest.raises(SeriesError, match="no column power; there are load"):
        forecast(model(), table[["load"]], known)
    with pytest.raises(SeriesError, match="power is 3 in all 9 rows"):
        Scale.of(np.full((9, 2), 3.0), SHAPE.metrics)
