"""A node that keeps no model of its own is centred on what foresaw best in its own window."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from fedsight.forecast.model import ModelShape
from fedsight.forecast.scale import Scale
from fedsight.forecast.service.levelling import AGAIN_ROWS, Levelling
from fedsight.forecast.service.looking import Seen
from fedsight.forecast.service.predictor import Known, Personal
from tests.forecast.service.made import STEP, Made, a_model, slots

METRICS = ("load", "power")
SHAPE = ModelShape(METRICS, horizon=20, hidden=4)


def walk_and_spikes(count: int, seed: int = 1) -> np.ndarray:
    """A walk, whose last value is the best guess, and spikes about a level that stays."""
    rng = np.random.default_rng(seed)
    walk = rng.standard_normal(count).cumsum()
    spikes = np.where(rng.random(count) < 0.1, 20.0, 0.0) + rng.standard_normal(count)
    return np.stack([walk, spikes], axis=1)


def known(values: np.ndarray, first: int = 0) -> Known:
    times = np.arange(first, first + len(values), dtype=np.int64) * STEP
    return Known("late", times, values, STEP)


def levels(levelling: Levelling, one: Known) -> list[int]:
    scale = Scale.allowing(one.values, METRICS)
    return levelling.levelled(one, scale).levels(SHAPE.rows).tolist()


def test_each_metric_has_the_level_that_was_best_in_the_window() -> None:
    assert levels(Levelling(SHAPE), known(walk_and_spikes(300))) == [1, 30]


def test_few_rows_choose_nothing() -> None:
    """60 forecasts with all 20 steps after them take 30 + 20 + 59 rows."""
    rows, levelling = walk_and_spikes(300), Levelling(SHAPE)
    assert levels(levelling, known(rows[:108])) == [30, 30]
    assert levels(levelling, known(rows[:109])) == [1, 30]


def test_no_window_and_no_horizon_crosses_what_was_not_measured() -> None:
    rows = walk_and_spikes(300)
    rows[::45] = np.nan
    assert levels(Levelling(SHAPE), known(rows)) == [30, 30]
    rows = walk_and_spikes(300)
    rows[40] = np.nan
    assert levels(Levelling(SHAPE), known(rows)) == [1, 30]


def test_a_constant_keeps_the_median() -> None:
    rows = walk_and_spikes(300)
    rows[:, 1] = 95.0
    assert levels(Levelling(SHAPE), known(rows)) == [1, 30]


def test_it_is_chosen_anew_after_a_hundred_rows() -> None:
    levelling, calm = Levelling(SHAPE), walk_and_spikes(300)[:, ::-1]
    assert levels(levelling, known(walk_and_spikes(300))) == [1, 30]
    assert levels(levelling, known(calm, AGAIN_ROWS - 1)) == [1, 30]
    assert levels(levelling, known(calm, AGAIN_ROWS)) == [30, 1]


def looked(made: Made, values: np.ndarray) -> Seen:
    times = slots(len(values))
    table = pd.DataFrame(values, index=pd.Index(times, name="time"), columns=list(METRICS))
    made.windows.window("late").add_dataframe(table)
    made.service.look()
    return made.service.standing.nodes["late"]


def test_a_node_that_joins_late_is_foreseen_from_its_own_level(made: Made) -> None:
    """A model that knows nothing foresees the level, mixed or not."""
    nothing = a_model()
    nothing.model.head.weight.data.zero_()
    nothing.model.head.bias.data = torch.tensor([-1.0, 0.0, 1.0]).repeat(20 * 2)
    made.versions.now = nothing
    values = walk_and_spikes(290)
    found = looked(made, values)
    assert found.told is not None
    wanted = [values[-1, 0], np.median(values[-30:, 1])]
    assert found.told[0, :, 1] == pytest.approx(wanted, abs=1e-6)


def test_a_model_that_was_kept_without_levels_goes_on_from_the_median(made: Made) -> None:
    values = walk_and_spikes(290)
    scale = Scale(values.mean(axis=0), values.std(axis=0))
    only_level = Personal(a_model(seed=1).model, scale, np.zeros((20, 2)))
    made.versions.now = a_model(personal={"late": only_level})
    found = looked(made, values)
    assert found.method == "baseline"
    assert found.told is not None
    level = np.median(values[-30:], axis=0)
    assert found.told[0, :, 1] == pytest.approx(level, abs=1e-6)
