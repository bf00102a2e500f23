from typing import Any

import pytest

from fedsight.federated.plan import SelectionPlan
from fedsight.federated.selection import Choice, Selector, selector
from tests.federated.selection.made import fleet, record


def trained(**plan: Any) -> Selector:
    """Chooses half of six nodes, of which four have trained: losses 4, 1, 3, 2."""
    chooser = selector(SelectionPlan(**plan), 0.5, 0)
    losses = {0: 4.0, 1: 1.0, 2: 3.0, 3: 2.0}
    chooser.note(
        record(
            1,
            {
                at: {"train_loss": loss, "train_accuracy": loss / 10, "samples": 10}
                for at, loss in losses.items()
            },
        )
    )
    return chooser


def choose(chooser: Selector, round_: int = 2) -> Choice:
    return chooser.choose(round_, fleet(6))


def test_performance_takes_those_of_least_loss() -> None:
    choice = choose(trained(selection="performance", explore=0.0))
    assert choice.nodes == (1001, 1002, 1003)
    assert choice.reasons == {1001: "best loss 1", 1003: "best loss 2", 1002: "best loss 3"}


def test_performance_takes_those_of_most_accuracy() -> None:
    choice = choose(trained(selection="performance", metric="accuracy", explore=0.0))
    assert choice.reasons == {
        1000: "best accuracy 0.4",
        1002: "best accuracy 0.3",
        1003: "best accuracy 0.2",
    }


def test_a_share_of_the_places_explores_all_others() -> None:
    chooser, explored = trained(selection="performance", explore=1 / 3), set[int]()
    for round_ in range(2, 60):
        choice = choose(chooser, round_)
        by_reason = sorted(choice.reasons.values())
        assert by_reason == ["best loss 1", "best loss 2", "explored"]
        explored |= {node for node, why in choice.reasons.items() if why == "explored"}
    assert explored == {1000, 1002, 1004, 1005}


def test_before_anything_is_known_all_places_explore() -> None:
    choice = choose(selector(SelectionPlan(selection="performance", explore=0.0), 0.5, 0), 1)
    assert len(choice.nodes) == 3
    assert set(choice.reasons.values()) == {"explored"}


@pytest.mark.parametrize("rule", ["performance", "utility"])
def test_a_node_that_failed_in_its_last_turn_is_not_relied_on(rule: str) -> None:
    chooser = trained(selection=rule, explore=0.0)
    chooser.note(record(2, {1: {}}))
    choice = chooser.choose(400, fleet(4))
    assert choice.reasons.get(1001) in (None, "explored")
    chooser.note(record(3, {1: {"train_loss": 0.5, "samples": 1000}}))
    (reason,) = chooser.choose(400, fleet(2)).reasons.items()
    assert reason[0] == 1001
    assert reason[1].startswith(("best loss 0.5", "utility 1."))


def test_a_loss_that_is_not_finite_is_not_known() -> None:
    chooser = trained(selection="performance", explore=0.0)
    chooser.note(record(2, {1: {"train_loss": float("nan"), "samples": 10}}))
    assert list(choose(chooser).reasons.values())[:3] == [
        "best loss 2",
        "best loss 3",
        "best loss 4",
    ]


def test_utility_explores_most_at_first_and_less_later() -> None:
    """Ten of a hundred nodes, of which half have trained: 9 explored in round 1, later 2."""
    counts = {}
    for round_ in (1, 300):
        chooser = selector(SelectionPlan(selection="utility"), 0.1, 0)
        chooser.note(record(1, {at: {"train_loss": 1.0, "samples": 10} for at in range(50)}))
        counts[round_] = list(chooser.choose(round_, fleet(100)).reasons.values()).count("explored")
    assert counts == {1: 9, 300: 2}


def test_utility_prefers_large_losses_and_many_samples() -> None:
    chooser = selector(SelectionPlan(selection="utility", explore=0.0), 0.25, 0)
    told = {0: (10, 1.0), 1: (10, 9.0), 2: (40, 1.0), 3: (10, 0.5)}
    chooser.note(
        record(1, {at: {"samples": n, "train_loss": loss} for at, (n, loss) in told.items()})
    )
    # 10 * 9 is the most by far: its utility is 1 + sqrt(0.1 ln 400) = 1.77.
    assert chooser.choose(400, fleet(4)).reasons == {1001: "utility 1.77"}


def test_utility_passes_over_a_slow_node() -> None:
    chooser = selector(SelectionPlan(selection="utility", explore=0.0), 0.3, 0)
    told = {0: (1.0, 1.0), 1: (9.0, 60.0), 2: (5.0, 1.0)}
    chooser.note(
        record(
            1,
            {
                at: {"samples": 10, "train_loss": loss, "train_seconds": seconds}
                for at, (loss, seconds) in told.items()
            },
        )
    )
    # The most useful takes 60 s where the median is 1 s: its utility counts (1 / 60) ** 2.
    assert chooser.choose(400, fleet(3)).nodes == (1002,)
