"""When so much comes in that merging had better wait."""

from __future__ import annotations

from fedsight.collector.store.pace import BUSY_RATE, SPAN, Pace


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_it_is_busy_while_more_comes_than_a_rate() -> None:
    clock = Clock()
    pace = Pace(clock)
    assert not pace.busy(0)
    clock.now += 1.0
    assert pace.busy(BUSY_RATE + 1)
    clock.now += 1.0
    assert not pace.busy(BUSY_RATE + 1)


def test_what_was_sealed_came_too() -> None:
    clock = Clock()
    pace = Pace(clock)
    pace.busy(1000)
    pace.sealed(2 * BUSY_RATE)
    clock.now += 1.0
    assert pace.busy(0)


def test_a_rate_is_not_taken_over_a_moment() -> None:
    clock = Clock()
    pace = Pace(clock)
    pace.busy(0)
    clock.now += SPAN / 2
    assert not pace.busy(10 * BUSY_RATE)
    clock.now += SPAN
    assert pace.busy(10 * BUSY_RATE)
