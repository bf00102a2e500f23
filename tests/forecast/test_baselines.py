"""Baselines, accuracy and mixtures, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from fedsight.errors import SeriesError
from fedsight.forecast import baselines
from fedsight.forecast.accuracy import accuracy, naive_error
from fedsight.forecast.mixture import mixed, moved, shares, weights

SERIES = np.array([1.0, 3.0, 2.0, 8.0, 4.0, 6.0])
AT = np.array([4])


def test_persistence_median_season_and_drift() -> None:
    assert baselines.persistence(SERIES, AT, 2).tolist() == [[4, 4]]
    assert baselines.moving_median(SERIES, AT, 2, rows=3).tolist() == [[4, 4]]
    assert baselines.seasonal_naive(SERIES, AT, 3, period=2).tolist() == [[8, 4, 8]]
    assert baselines.drift(SERIES, AT, 2).tolist() == [[4.75, 5.5]]


def test_smoothing_weighs_what_is_near() -> None:
    assert baselines.smoothed(SERIES, np.array([2]), 1, alpha=0.5).tolist() == [[2.0]]
    assert baselines.smoothed(SERIES, AT, 1, alpha=1.0).tolist() == [[4.0]]


def test_autoregression_finds_a_rule_and_reads_no_later_row() -> None:
    wave = np.sin(np.arange(300) * 0.3)
    training, at = np.arange(20, 180), np.arange(200, 280)
    found = baselines.autoregression(wave, at, 5, training, lags=4)
    came = wave[at[:, None] + np.arange(1, 6)]
    assert np.abs(found - came).mean() < 0.2 * np.abs(came - wave[at][:, None]).mean()
    changed = wave.copy()
    changed[201:] = 99
    other = baselines.autoregression(changed, at[:1], 5, training, lags=4)
    np.testing.assert_allclose(other, found[:1], rtol=1e-12)


def test_accuracy_is_in_real_units_and_beside_the_naive_error() -> None:
    naive = naive_error(np.array([1.0, 3.0, 2.0]))
    assert naive == 1.5
    values, came = np.array([[1.0], [1.0]]), np.array([[4.0], [0.0]])
    found = accuracy(values, came, naive, (values - 1, values + 1))
    assert found.mae.tolist() == [2.0]
    assert found.rmse.tolist() == [pytest.approx(5**0.5)]
    assert found.mase.tolist() == [pytest.approx(4 / 3)]
    assert found.coverage.tolist() == [0.5]
    assert np.isnan(accuracy(values, came, naive).coverage).all()
    with pytest.raises(SeriesError, match="never changes"):
        naive_error(np.ones(5))


def test_a_mixture_takes_what_was_better_at_each_step() -> None:
    came = np.zeros((4, 40))
    near = np.ones((4, 40))
    far = np.full((4, 40), -3.0)
    far[:, :5] = 0.0
    share = weights(near, far, came)
    assert share[:5].tolist() == [0] * 5
    assert share[5:] == pytest.approx(0.7, abs=0.11)
    assert np.abs(mixed(near, far, share)).max() < 0.5


def test_weights_leave_out_what_did_not_come_and_need_enough() -> None:
    one, other = np.full((4, 30), 2.0), np.zeros((4, 30))
    actual = np.full((4, 30), 0.5)
    actual[2:, 5:] = np.nan
    found = weights(one, other, actual, least=3)
    assert set(found[:5]) <= {0.2, 0.3, weights(one, other, actual)[0]}
    assert (found[5:] == 1).all()


def test_each_metric_of_a_fan_is_moved_with_its_width() -> None:
    middle = np.stack([np.full((3, 6), 4.0), np.full((3, 6), 8.0)], axis=-1)
    level, actual = np.tile([2.0, 8.0], (3, 1)), np.full((3, 6, 2), [2.0, 8.0])
    share = shares(middle, level, actual)
    assert share.shape == (6, 2)
    assert (share[:, 0] == 0).all()
    fan = np.stack([middle - 1, middle, middle + 3], axis=-1)
    found = moved(fan, 1, level[:, None], share)
    assert found[0, 0].tolist() == [[1, 2, 5], [7, 8, 11]]
