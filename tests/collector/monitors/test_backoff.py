"""How long is waited after failures."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fedsight.collector.monitors.backoff import pause
from fedsight.collector.monitors.contract import Pace

PACE = Pace(interval=5.0, deadline=10.0, longest=60.0)


def test_without_failures_it_is_the_interval() -> None:
    assert pause(PACE, 0, 0.9) == 5.0


def test_it_doubles_with_each_failure_up_to_the_longest() -> None:
    assert [pause(PACE, failures, 1.0) for failures in (1, 2, 3, 4, 5)] == [10, 20, 40, 60, 60]


def test_at_least_half_is_waited_whatever_chance_says() -> None:
    assert pause(PACE, 2, 0.0) == 10.0
    assert pause(PACE, 2, 0.5) == 15.0


def test_an_interval_above_the_longest_stays() -> None:
    assert pause(Pace(600.0, 10.0), 3, 1.0) == 600.0


@given(st.floats(0.01, 86_400), st.integers(0, 10**9), st.floats(0, 1, exclude_max=True))
def test_it_is_bounded_and_never_below_half_the_interval(
    interval: float, failures: int, chance: float
) -> None:
    found = pause(Pace(interval, 1.0), failures, chance)
    assert interval / 2 <= found <= max(interval, 60.0)
