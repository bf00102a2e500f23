from __future__ import annotations

import pytest

from fedsight.collector.taking.cardinality import Cardinality, explained
from fedsight.door.refusal import RefusedError
from fedsight.signals import Series


def named(count: int, first: int = 0) -> list[Series]:
    return [Series("x", {"run": "r-1", "id": f"i{n}"}) for n in range(first, first + count)]


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def refusal(cardinality: Cardinality, held: int, new: list[Series]) -> RefusedError:
    with pytest.raises(RefusedError) as refused:
        cardinality.admit(held, new)
    return refused.value


def test_no_more_than_so_many_in_all() -> None:
    cardinality = Cardinality(10, 100)
    cardinality.admit(7, named(3))
    found = refusal(cardinality, 8, named(3))
    assert (found.status, found.code) == (429, "too_many_series")
    assert "there may be 10 series in all and 8 are kept" in found.message


def test_no_more_than_so_many_at_once_which_no_waiting_mends() -> None:
    found = refusal(Cardinality(1000, 5), 0, named(6))
    assert (found.status, found.code) == (422, "too_many_series")


def test_so_many_a_minute_and_again_a_minute_later() -> None:
    clock = Clock()
    cardinality = Cardinality(1000, 60, clock)
    cardinality.admit(0, named(60))
    found = refusal(cardinality, 60, named(30))
    assert (found.status, found.headers) == (429, {"Retry-After": "30"})
    clock.now += 30
    cardinality.admit(60, named(30))
    assert refusal(cardinality, 90, named(1)).status == 429


def test_a_clock_that_goes_backwards_gives_nothing_and_takes_nothing() -> None:
    clock = Clock()
    cardinality = Cardinality(1000, 60, clock)
    cardinality.admit(0, named(30))
    clock.now -= 1000
    cardinality.admit(30, named(30))
    assert refusal(cardinality, 60, named(1)).status == 429


def test_the_label_with_the_most_values_is_named_with_one_of_them() -> None:
    said = explained(named(50))
    assert said.startswith("label 'id' has 50 values among 50 new ones, such as 'i0'")
    names = [Series(f"metric_{n}", {"run": "r-1"}) for n in range(3)]
    assert explained(names).startswith("the name has 3 values")


@pytest.mark.parametrize("bounds", [(0, 1), (1, 0)])
def test_bounds_are_at_least_one(bounds: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        Cardinality(*bounds)
