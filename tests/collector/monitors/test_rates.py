"""Rates from two readings of counters, with resets and stale readings seen."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedsight.collector.monitors.rates import Reading, rise


def reading(value: int, duration: int | None, clock: float) -> Reading:
    return Reading({"bytes": value}, duration, clock)


def test_a_counter_rises_by_so_much_a_second() -> None:
    found = rise(reading(100, 10, 0.0), reading(1100, 15, 5.2))
    assert found.course == "steady"
    assert found.seconds == 5.2
    assert found.per_second("bytes") == pytest.approx(1000 / 5.2)
    assert found.per_second("packets") is None


def test_our_clock_is_held_to_what_the_device_counted() -> None:
    """The request was slow: 9 s by our clock, but the device counted at most 6 s more."""
    assert rise(reading(0, 10, 0.0), reading(60, 15, 9.0)).seconds == 6.0
    assert rise(reading(0, 10, 0.0), reading(60, 15, 1.0)).seconds == 4.0


def test_without_a_duration_our_clock_counts() -> None:
    assert rise(reading(0, None, 1.0), reading(60, None, 3.0)).per_second("bytes") == 30.0


@pytest.mark.parametrize(
    "after", [reading(5, 20, 5.0), reading(500, 3, 5.0), reading(5, 3, 5.0)], ids=str
)
def test_what_fell_was_reset(after: Reading) -> None:
    found = rise(reading(100, 10, 0.0), after)
    assert found.course == "reset"
    assert found.per_second("bytes") is None


def test_a_duration_that_stands_still_means_old_figures() -> None:
    assert rise(reading(100, 10, 0.0), reading(100, 10, 5.0)).course == "stale"
    assert rise(reading(100, None, 5.0), reading(100, None, 5.0)).course == "stale"


@given(
    st.integers(0, 2**53),
    st.integers(0, 2**53),
    st.none() | st.integers(0, 10**6),
    st.none() | st.integers(0, 10**6),
    st.floats(0, 1e6),
    st.floats(0, 1e6),
)
def test_a_rate_is_never_negative_nor_endless(
    a: int, b: int, first: int | None, second: int | None, at: float, then: float
) -> None:
    found = rise(reading(a, first, at), reading(b, second, then))
    rate = found.per_second("bytes")
    if rate is not None:
        assert rate >= 0
        assert found.seconds > 0
