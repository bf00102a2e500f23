"""Levels: each metric's own, of the last value, of five rows or of all that a forecast needs."""

from __future__ import annotations

import numpy as np

from fedsight.forecast.scale import LEVELS, Scale, normalised

AT = np.arange(29, 380)


def made() -> np.ndarray:
    """A walk, whose last value is the best guess, and spikes about a level that stays."""
    rng = np.random.default_rng(1)
    walk = rng.standard_normal(500).cumsum()
    spikes = np.where(rng.random(500) < 0.1, 20.0, 0.0) + rng.standard_normal(500)
    return np.stack([walk, spikes], axis=1)


def test_a_walk_is_centred_on_its_last_value_and_spikes_on_their_median() -> None:
    rows = made()
    scale = Scale.of(rows, ("walk", "spikes"))
    assert scale.levels(30).tolist() == [30, 30]
    assert scale.levelled(rows, AT, 100).levels(30).tolist() == [1, 30]
    assert scale.levelled(rows, AT[:0], 100) is scale
    flat = np.ones((500, 2))
    assert scale.levelled(flat, AT, 100).levels(30).tolist() == [LEVELS[0]] * 2


def test_each_window_and_metric_has_a_level_of_its_own() -> None:
    rows = made()
    windows = np.stack([rows[:30], rows[30:60]])
    level = np.array([[1, 30], [5, 1]])
    found = normalised(windows, 10, level)
    wanted = [[rows[29, 0], np.median(rows[:30, 1])], [np.median(rows[55:60, 0]), rows[59, 1]]]
    assert np.allclose(found.centre, wanted)
    assert np.allclose(found.inputs[0, :, 0] * found.spread[0, 0], rows[20:30, 0] - rows[29, 0])
    assert np.array_equal(normalised(windows, 10).centre, np.median(windows, axis=1))
