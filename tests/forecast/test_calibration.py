"""Widths that follow how often intervals held."""

from __future__ import annotations

import numpy as np
import pytest

from fedsight.forecast import calibration

QUANTILES = (0.1, 0.5, 0.9)
HORIZON = 20


def fans(count: int, half: float) -> np.ndarray:
    """Forecasts of 0, with an interval of `half` on each side."""
    one = np.array([-half, 0.0, half])
    return np.broadcast_to(one, (count, HORIZON, 1, 3)).copy()


def noise(count: int) -> np.ndarray:
    """What came: standard normal, for each forecast the rows after it."""
    rows = np.random.default_rng(2).standard_normal(count + HORIZON)
    ahead = np.arange(count)[:, None] + np.arange(1, HORIZON + 1)
    return np.asarray(rows[ahead][..., None])


def covered(told: np.ndarray, came: np.ndarray) -> np.ndarray:
    inside = (told[..., 0] <= came) & (came <= told[..., -1])
    return np.asarray(inside[len(inside) // 2 :].mean(axis=(0, 2)))


@pytest.mark.parametrize("half", [0.4, 1.28, 5.0])
def test_intervals_too_narrow_or_too_wide_come_to_hold_as_often_as_they_promise(
    half: float,
) -> None:
    came = noise(1500)
    start = calibration.unlearned(HORIZON, 1)
    told, widths = calibration.followed(fans(1500, half), came, start, QUANTILES)
    assert np.abs(covered(told, came) - 0.8).max() < 0.06
    assert np.exp(widths).mean() == pytest.approx(1.28 / half, rel=0.25)


def test_the_past_of_a_node_says_where_to_start() -> None:
    widths = calibration.split(fans(3000, 1.0), noise(3000), QUANTILES)
    assert np.exp(widths) == pytest.approx(1.28, rel=0.1)


def test_nothing_is_learned_from_rows_that_have_not_come() -> None:
    came, changed = noise(60), noise(60)
    # What the rows after the 40th say must not matter before.
    changed[40 - np.arange(1, HORIZON + 1)[None, :] < np.arange(60)[:, None]] += 100
    start = calibration.unlearned(HORIZON, 1)
    one, other = (
        calibration.followed(fans(60, 1.0), each, start, QUANTILES)[0] for each in (came, changed)
    )
    assert np.array_equal(one[:41], other[:41])
    assert not np.array_equal(one, other)


def test_widening_keeps_the_median_and_the_order() -> None:
    values = np.sort(np.random.default_rng(1).standard_normal((HORIZON, 2, 3)), axis=-1)
    wider = calibration.widened(values, np.full((HORIZON, 2), np.log(3.0)), QUANTILES)
    assert np.array_equal(wider[..., 1], values[..., 1])
    assert (np.diff(wider, axis=-1) >= 0).all()
    assert np.ptp(wider, axis=-1) == pytest.approx(3 * np.ptp(values, axis=-1))
