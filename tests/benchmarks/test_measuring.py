from __future__ import annotations

from itertools import pairwise

import pytest

from benchmarks.measuring import Rounds, Spread, orders, ratios, shows, taking_turns


def quiet(line: str) -> None:
    """Tells nobody."""


def test_a_spread_has_the_median_between_its_quartiles_and_extremes() -> None:
    spread = Spread.of([5.0, 1.0, 2.0, 4.0, 3.0])
    assert spread == Spread(3.0, (2.0, 4.0), (1.0, 5.0), 5)


def test_one_value_has_no_spread() -> None:
    with pytest.raises(ValueError, match="at least 2 values, got 1"):
        Spread.of([1.0])


def test_two_arms_take_turns_forwards_and_backwards() -> None:
    assert ["".join(order) for order in orders("AB", 6)] == ["AB", "BA", "BA", "AB", "AB", "BA"]


def test_three_arms_go_through_all_six_orders() -> None:
    assert {"".join(order) for order in orders("ABC", 6)} == {
        "ABC",
        "CBA",
        "BCA",
        "ACB",
        "CAB",
        "BAC",
    }


def test_every_pair_of_three_arms_is_adjacent_equally_often() -> None:
    together = [frozenset(pair) for order in orders("ABC", 6) for pair in pairwise(order)]
    assert {together.count(pair) for pair in together} == {4}


def test_a_steady_drift_of_the_machine_cancels_over_mirrored_blocks() -> None:
    clock = iter(range(1, 100))
    found = taking_turns({"a": lambda: next(clock), "b": lambda: next(clock)}, 8, quiet)
    assert sum(found["a"]) == sum(found["b"])


def test_fewer_blocks_than_a_median_needs_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 5, got 4"):
        taking_turns({"a": lambda: 1}, 4, quiet)


def test_ratios_are_taken_within_each_block() -> None:
    assert ratios([2.0, 9.0], [1.0, 3.0], lambda value: value) == [2.0, 3.0]


def test_what_a_comparison_with_itself_shows_is_how_far_its_median_is_from_one() -> None:
    assert shows([0.5, 0.98, 3.0]) == pytest.approx(0.02)


def test_rounds_have_a_total_a_mean_and_a_median() -> None:
    rounds = Rounds((1.0, 2.0, 6.0))
    assert (rounds.total, rounds.mean, rounds.median) == (9.0, 3.0, 2.0)
