import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedsight.federated.plan import SelectionPlan
from fedsight.federated.selection import random_fraction, selector
from fedsight.federated.selection.draw import places, shared_out, weighted
from tests.federated.selection.made import fleet

#: 5 of 20 nodes by seed 0 in the rounds 1, 2 and 1000, as the first version drew them.
FIXED = [[3, 4, 13, 14, 18], [2, 5, 8, 9, 19], [3, 15, 16, 18, 19]]


def test_a_seed_chooses_the_nodes_it_has_always_chosen() -> None:
    choose = random_fraction(0.25, 0)
    assert [list(choose(round_, range(20))) for round_ in (1, 2, 1000)] == FIXED


@given(
    fraction=st.floats(0.001, 1.0),
    seed=st.integers(0, 2**63 - 1),
    round_=st.integers(1, 10_000),
    count=st.integers(1, 120),
)
def test_the_random_rule_draws_what_random_fraction_draws(
    fraction: float, seed: int, round_: int, count: int
) -> None:
    nodes = fleet(count)
    ids = [node.node_id for node in nodes]
    choice = selector(SelectionPlan(), fraction, seed).choose(round_, nodes)
    assert list(choice.nodes) == list(random_fraction(fraction, seed)(round_, ids))


def test_a_random_fraction_is_the_seeds_and_keeps_the_nodes_order() -> None:
    nodes = list(range(100, 200))
    draws = [random_fraction(0.1, 7)(round_, nodes) for round_ in range(50)]
    assert draws == [random_fraction(0.1, 7)(round_, nodes) for round_ in range(50)]
    assert draws != [random_fraction(0.1, 8)(round_, nodes) for round_ in range(50)]
    assert {len(draw) for draw in draws} == {10}
    assert all(list(draw) == sorted(draw) for draw in draws)
    assert len({node for draw in draws for node in draw}) > 90
    assert list(random_fraction(0.001, 7)(1, nodes)) != []


@pytest.mark.parametrize(
    ("fraction", "over_select", "nodes", "expected"),
    [
        (0.1, 0.0, 100, 10),
        (0.001, 0.0, 100, 1),
        (0.1, 0.1, 100, 11),  # 10 * 1.1 is 11.000000000000002 in floats
        (0.1, 0.3, 100, 13),
        (0.1, 0.31, 100, 14),
        (0.5, 0.01, 2, 2),
        (1.0, 0.5, 8, 8),
    ],
)
def test_places_of_a_round(fraction: float, over_select: float, nodes: int, expected: int) -> None:
    assert places(fraction, over_select, nodes) == expected


def test_a_share_of_few_places_is_reached_on_average() -> None:
    rng = random.Random(1)
    drawn = [shared_out(0.2, 1, rng) for _ in range(5000)]
    assert set(drawn) == {0, 1}
    assert 900 < sum(drawn) < 1100
    assert shared_out(0.5, 4, rng) == 2
    assert shared_out(1.0, 4, rng) == 4


def test_drawing_by_weight() -> None:
    rng = random.Random(1)
    first = [weighted([1.0, 3.0], 1, rng)[0] for _ in range(4000)]
    assert 2850 < sum(first) < 3150  # three in four
    assert set(weighted([0.0, 1.0, 2.0], 2, rng)) == {1, 2}
    assert sorted(weighted([0.0, 0.0, 0.0], 3, rng)) == [0, 1, 2]
