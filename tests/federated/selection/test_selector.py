import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedsight.federated.plan import SELECTIONS, SelectionPlan
from fedsight.federated.runs.state import State, Stateful
from fedsight.federated.selection import Choice, Chosen, Selector, selector
from fedsight.federated.selection.rules import RULES
from tests.federated.selection.made import asked, fleet

plans = st.builds(
    SelectionPlan,
    selection=st.sampled_from(["random", "performance", "resources", "utility"]),
    metric=st.sampled_from(["loss", "accuracy"]),
    explore=st.floats(0, 1),
    fair_rounds=st.integers(0, 5),
)
#: How many nodes there are, and who is away in each round.
fleets = st.integers(1, 15).flatmap(
    lambda count: st.tuples(
        st.just(count), st.lists(st.sets(st.integers(0, count - 1)), min_size=6, max_size=6)
    )
)


def run(chooser: Selector, count: int, away: list[set[int]], first: int = 1) -> list[Choice]:
    found = []
    for round_, gone in enumerate(away, first):
        choice = chooser.choose(round_, fleet(count, gone))
        chooser.note(asked(round_, choice.nodes))
        found.append(choice)
    return found


@settings(max_examples=150, deadline=None)
@given(
    plan=plans,
    fraction=st.floats(0.01, 1.0),
    seed=st.integers(0, 2**63 - 1),
    over_select=st.floats(0, 2),
    many=fleets,
)
def test_what_every_rule_promises(
    plan: SelectionPlan,
    fraction: float,
    seed: int,
    over_select: float,
    many: tuple[int, list[set[int]]],
) -> None:
    count, away = many
    found = run(selector(plan, fraction, seed, over_select), count, away)
    for gone, choice in zip(away, found, strict=True):
        there = [node.node_id for node in fleet(count, gone) if node.online]
        wanted = max(1, round(fraction * len(there)))
        assert list(choice.nodes) == [one for one in there if one in choice.nodes]
        assert min(len(there), wanted) <= len(choice.nodes) <= len(there)
        assert set(choice.reasons) == {1000 + at for at in gone} | set(choice.nodes)
        assert all(choice.reasons.values())
        assert choice.wanted == (wanted if over_select and there else 0)
    assert run(selector(plan, fraction, seed, over_select), count, away) == found


@settings(max_examples=60, deadline=None)
@given(plan=plans, seed=st.integers(0, 2**63 - 1), many=fleets)
def test_a_run_that_goes_on_from_a_checkpoint_chooses_the_same(
    plan: SelectionPlan, seed: int, many: tuple[int, list[set[int]]]
) -> None:
    count, away = many
    whole = run(selector(plan, 0.3, seed), count, away)
    before, after = selector(plan, 0.3, seed), selector(plan, 0.3, seed)
    run(before, count, away[:3])
    after.load(before.state())
    assert run(after, count, away[3:], first=4) == whole[3:]


def test_every_rule_of_the_plan_is_there() -> None:
    assert set(RULES) == set(SELECTIONS)


@pytest.mark.parametrize("rule", ["random", "resources"])
def test_a_rule_that_draws_remembers_nothing(rule: str) -> None:
    chooser = selector(SelectionPlan(selection=rule), 0.5, 0)
    run(chooser, 5, [set(), set()])
    assert isinstance(chooser, Stateful)
    assert chooser.state() == State()


def test_a_rule_that_remembers_goes_on_from_a_run_that_did_not() -> None:
    chooser = selector(SelectionPlan(selection="performance"), 0.5, 0)
    chooser.load(selector(SelectionPlan(), 0.5, 0).state())
    assert set(chooser.choose(5, fleet(4)).reasons.values()) == {"explored"}
    with pytest.raises(ValueError, match="not the state of a selection"):
        chooser.load(State({"other": 1}))


def test_a_function_of_ids_can_choose() -> None:
    chooser = Chosen(lambda round_, ids: ids[-round_:])
    assert chooser.choose(2, fleet(4, {3})).nodes == (1001, 1002)
    assert chooser.state() == State()


def test_nobody_to_choose_from() -> None:
    chooser = selector(SelectionPlan(fair_rounds=2), 0.5, 0)
    assert chooser.choose(1, fleet(2, {0, 1})) == Choice((), {1000: "not there", 1001: "not there"})
    assert chooser.choose(2, []) == Choice()
