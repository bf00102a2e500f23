from itertools import permutations

import numpy as np
import pytest

from fedsight.federated import codec
from fedsight.federated.rounds.reordered import Reordered
from tests.federated.rounds.script import add_id, failing, sender, to


@pytest.mark.parametrize("order", list(permutations(range(4))))
def test_any_order_comes_out_in_order_and_none_too_early(order: tuple[int, ...]) -> None:
    held, out, there = Reordered(), list[int](), set[int]()
    for place in order:
        held.put(place, add_id(to(place)))
        there.add(place)
        out += [sender(one) for one in held.ready()]
        assert set(range(len(out))) <= there
        assert len(out) == next(at for at in range(5) if at not in there)
    assert out == [0, 1, 2, 3]


def test_a_skipped_place_holds_up_nothing() -> None:
    held = Reordered()
    held.put(2, add_id(to(2)))
    held.skip(0)
    assert list(held.ready()) == []
    held.skip(1)
    assert [sender(one) for one in held.ready()] == [2]


def test_the_rest_comes_in_order_whatever_is_missing() -> None:
    held = Reordered()
    for place in (4, 2):
        held.put(place, add_id(to(place)))
    assert [sender(one) for one in held.rest()] == [2, 4]
    assert list(held.rest()) == []


def test_beyond_its_bound_vectors_wait_on_disk_with_the_same_bits() -> None:
    held = Reordered(most_bytes=4)
    for place in (3, 2, 1):
        held.put(place, add_id(to(place, 0.1)))
    kept = [codec.unpack(held._held[place].content[codec.ARRAYS]) for place in (3, 2, 1)]  # type: ignore[arg-type]
    assert [isinstance(vector, np.memmap) for vector in kept] == [False, True, True]
    held.put(0, failing({0})(to(0)))
    found = list(held.ready())
    assert [one.has_error() for one in found] == [True, False, False, False]
    values = [codec.unpack(one.content[codec.ARRAYS])[0] for one in found[1:]]  # type: ignore[arg-type]
    assert values == [np.float32(0.1) + np.float32(at) for at in (1, 2, 3)]


def test_answers_that_come_in_turn_make_no_room_for_early_ones() -> None:
    held = Reordered(most_bytes=8)
    for place in range(4):
        held.put(10 + place, add_id(to(10 + place)))
        held.put(place, add_id(to(place)))
        assert [sender(one) for one in held.ready()] == [place]
    early = [codec.unpack(held._held[10 + at].content[codec.ARRAYS]) for at in range(4)]  # type: ignore[arg-type]
    assert [isinstance(vector, np.memmap) for vector in early] == [False, False, True, True]
