import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedsight.federated.plan import SelectionPlan
from fedsight.federated.selection import selector
from fedsight.federated.selection.fairness import due
from fedsight.federated.selection.history import Known
from tests.federated.selection.made import asked, fleet


def history(*last: int) -> dict[str, Known]:
    return {f"client-{at}": Known(last=one) for at, one in enumerate(last)}


def test_a_node_is_due_in_the_last_round_it_can_be() -> None:
    # Once in 5 rounds; client-1 trained in round 1, so round 6 is its last.
    for round_, expected in ((5, {}), (6, {1001: "due: not in the last 4 rounds"})):
        assert due(fleet(3), history(4, 1, 3), round_, 5, 1)[1] == expected


def test_the_oldest_come_first_and_places_grow_to_what_is_needed() -> None:
    # Once in 3 rounds: 3 and 0 should have trained already, for 1 round 5 is the last, for 2 not.
    assert due(fleet(4), history(1, 2, 3, 0), 5, 3, 1) == (
        3,
        {
            1003: "due: not in the last 4 rounds",
            1000: "due: not in the last 3 rounds",
            1001: "due: not in the last 2 rounds",
        },
    )
    assert list(due(fleet(4), history(1, 2, 3, 0), 5, 3, 1)[1]) == [1003, 1000, 1001]


def test_nobody_waits_for_the_last_round_where_that_would_be_too_full() -> None:
    # Four nodes are due by round 4 and one place a round: from round 1 on one of them each round.
    places, forced = due(fleet(4), history(0, 0, 0, 0), 1, 4, 1)
    assert (places, forced) == (1, {1000: "due"})
    assert due(fleet(4), history(1, 0, 0, 0), 2, 4, 1)[1] == {1001: "due: not in the last round"}
    assert due(fleet(4), history(0, 0, 0, 0), 1, 5, 1) == (1, {})


def test_in_every_round() -> None:
    plan = SelectionPlan(fair_rounds=1)
    assert selector(plan, 0.1, 0).choose(1, fleet(9)).nodes == tuple(range(1000, 1009))


def test_a_node_that_comes_back_after_long_is_due_at_once() -> None:
    chooser = selector(SelectionPlan(fair_rounds=3), 0.1, 0)
    for round_ in range(1, 10):
        away = {0} if round_ > 1 else set()
        choice = chooser.choose(round_, fleet(4, away))
        chooser.note(asked(round_, choice.nodes))
    assert chooser.choose(10, fleet(4)).reasons[1000].startswith("due: not in the last ")


rules = st.sampled_from(["random", "performance", "resources", "utility"])


@settings(max_examples=60, deadline=None)
@given(
    rule=rules,
    rounds=st.integers(1, 12),
    count=st.integers(1, 25),
    fraction=st.floats(0.01, 1.0),
    seed=st.integers(0, 1000),
    data=st.data(),
)
def test_the_floor_holds_whatever_comes_and_goes(
    rule: str, rounds: int, count: int, fraction: float, seed: int, data: st.DataObject
) -> None:
    chooser = selector(SelectionPlan(selection=rule, fair_rounds=rounds), fraction, seed)
    missed = dict.fromkeys(range(1000, 1000 + count), 0)
    gone = st.sets(st.integers(0, count - 1)) if data.draw(st.booleans()) else st.just(set[int]())
    for round_ in range(1, 3 * rounds + 2):
        nodes = fleet(count, data.draw(gone))
        choice = chooser.choose(round_, nodes)
        chooser.note(asked(round_, choice.nodes))
        for node in nodes:
            # Rounds running in which it was there and did not train.
            passed = node.online and node.node_id not in choice.nodes
            missed[node.node_id] = missed[node.node_id] + 1 if passed else 0
        assert max(missed.values()) < rounds


@settings(max_examples=60, deadline=None)
@given(
    rule=rules,
    rounds=st.integers(1, 12),
    count=st.integers(1, 40),
    fraction=st.floats(0.01, 1.0),
    seed=st.integers(0, 1000),
)
def test_a_steady_fleet_never_needs_more_places_than_its_nodes_share_out(
    rule: str, rounds: int, count: int, fraction: float, seed: int
) -> None:
    chooser = selector(SelectionPlan(selection=rule, fair_rounds=rounds), fraction, seed)
    expected = max(1, round(fraction * count), -(-count // rounds))
    for round_ in range(1, 3 * rounds + 2):
        choice = chooser.choose(round_, fleet(count))
        chooser.note(asked(round_, choice.nodes))
        assert len(choice.nodes) == expected


def test_without_notes_the_same_are_due_again() -> None:
    chooser = selector(SelectionPlan(fair_rounds=4), 0.01, 0)
    first = chooser.choose(1, fleet(4))
    assert chooser.choose(1, fleet(4)) == first


@pytest.mark.parametrize("failed", [True, False])
def test_a_turn_counts_also_where_it_failed(failed: bool) -> None:
    chooser = selector(SelectionPlan(fair_rounds=4), 0.01, 0)
    (first,) = chooser.choose(1, fleet(4)).nodes
    done = asked(1, [first])
    done.nodes[0].status = "failed" if failed else "trained"
    chooser.note(done)
    assert first not in chooser.choose(2, fleet(4)).nodes
