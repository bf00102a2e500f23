"""The slope of recent accuracy, against numpy's least squares."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedsight.collector.reading.convergence import RECENT, convergence_slope

ROUNDS = st.lists(st.tuples(st.integers(0, 1000), st.floats(0, 1)), max_size=30)


def test_a_straight_line_has_its_slope() -> None:
    assert convergence_slope([(1, 0.1), (2, 0.2), (3, 0.3)]) == pytest.approx(0.1)


def test_rounds_that_are_missing_count_as_time() -> None:
    assert convergence_slope([(1, 0.1), (3, 0.3), (5, 0.5)]) == pytest.approx(0.1)


def test_only_the_newest_rounds_count() -> None:
    old = [(at, 0.0) for at in range(10)]
    new = [(at, at / 100) for at in range(10, 20)]
    assert convergence_slope(new + old) == pytest.approx(0.01)


@pytest.mark.parametrize("rounds", [[], [(1, 0.5)], [(1, 0.5), (2, 0.6)], [(1, 0.1)] * 5])
def test_too_few_rounds_have_none(rounds: list[tuple[int, float]]) -> None:
    assert convergence_slope(rounds) is None


@given(ROUNDS)
def test_it_is_the_least_squares_slope(rounds: list[tuple[int, float]]) -> None:
    found = convergence_slope(rounds)
    newest = sorted(dict(rounds).items())[-RECENT:]
    if len(newest) < 3:
        assert found is None
        return
    at, value = np.array(newest).T
    assert found == pytest.approx(np.polyfit(at - at.mean(), value, 1)[0], abs=1e-9)
