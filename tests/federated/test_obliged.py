"""What a permit obliges to holds: rounds, clients, their fraction, the norm of updates."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fedsight.federated.governing import governing
from fedsight.federated.link.address import Address
from fedsight.federated.link.caller import Place
from fedsight.federated.link.launch import launched
from fedsight.federated.link.linked import Linked
from fedsight.federated.plan import Plan, RoundPlan, SelectionPlan
from fedsight.federated.rounds.control import RunStoppedError
from fedsight.federated.selection import Limit, selector
from fedsight.federated.training import Outcome, Steering, train
from fedsight.policy.files import init
from tests.federated.faults.ground import settings
from tests.federated.grounds import Ground, grid
from tests.federated.rounds.script import node
from tests.federated.test_falling import Notes
from tests.policy.asked import changed

OBLIGES = """
@id("own.bounds") @reason("bounds") @obliges("{}") @owner("dpo") @priority("10")
permit (principal is FL::Server, action == FL::Action::"nextRound", resource is FL::Run);
"""
ASYNC = RoundPlan(mode="async", buffer=1)


def obliged(bounds: str, **more: Any) -> Ground:
    return Ground(changed(own=OBLIGES.format(bounds)), **more)


def test_a_run_ends_after_its_most_rounds() -> None:
    ground = obliged("max_rounds <= 2")
    with pytest.raises(RunStoppedError, match=r"max_rounds <= 2 \(dpo, rule own\.bounds\), got 3"):
        ground.run(grid(3), 10)
    assert len(ground.mean.senders) == 2


def test_a_round_with_fewer_clients_does_not_begin() -> None:
    ground = obliged("min_clients >= 4")
    with pytest.raises(RunStoppedError, match=r"obliges to min_clients >= 4 .*, got 3"):
        ground.run(grid(3), 10)
    assert ground.mean.shown == []


def test_nor_one_for_which_fewer_are_chosen() -> None:
    ground = obliged("fraction <= 0.5; min_clients >= 3")
    with pytest.raises(RunStoppedError, match=r"min_clients >= 3 .*, 2 were chosen"):
        ground.run(grid(4), 10)
    assert ground.mean.senders == []


@pytest.mark.parametrize(
    "bound", ["max_rounds <= 2", "min_clients >= 9", "clip_norm <= 1.5", "fraction <= 0.5"]
)
def test_where_policy_only_looks_on_no_bound_holds(bound: str) -> None:
    ground = obliged(bound, observe=True)
    assert ground.run(grid(3), 3) == 6.0
    assert ground.mean.senders == [[1, 2, 3]] * 3


def test_updates_are_clipped_to_their_longest_norm() -> None:
    assert obliged("clip_norm <= 1.5").run(grid(3), 1) == pytest.approx((1 + 1.5 + 1.5) / 3)


def test_so_are_those_of_whom_a_permit_to_share_says_so() -> None:
    own = OBLIGES.format("clip_norm <= 2.5") + (
        '@id("own.share") @reason("short") @obliges("clip_norm <= 1.5") @owner("dpo")\n'
        '@priority("10") permit (principal is FL::Client, action == FL::Action::"shareModel",'
        ' resource is FL::Model) when { principal == FL::Client::"client-3" };'
    )
    assert Ground(changed(own=own)).run(grid(3), 1) == pytest.approx((1 + 2 + 1.5) / 3)


def test_what_a_run_was_let_start_with_holds_on() -> None:
    own = OBLIGES.format("max_rounds <= 2").replace("nextRound", "startRun")
    ground = Ground(changed(own=own))
    with pytest.raises(RunStoppedError, match=r"max_rounds <= 2 \(dpo, rule own\.bounds\), got 3"):
        ground.run(grid(3), 10)
    assert len(ground.mean.senders) == 2


def test_no_more_than_their_fraction_train_and_others_are_drawn_each_round() -> None:
    ground = obliged("fraction <= 0.5")
    ground.run(grid(5), 8)
    assert {len(senders) for senders in ground.mean.senders} == {2}
    assert len({tuple(senders) for senders in ground.mean.senders}) > 2


def test_a_fraction_that_is_nobody_stops_the_run_and_says_so() -> None:
    ground = obliged("fraction <= 0.3")
    with pytest.raises(RunStoppedError, match=r"fraction <= 0\.3 \(dpo.*of 3 clients that is nob"):
        ground.run(grid(3), 1)


def test_a_fraction_is_of_those_that_may_train() -> None:
    limits = {"members": '["client-1", "client-2", "client-3"]'}
    ground = Ground(changed(limits, own=OBLIGES.format("fraction <= 0.67")))
    ground.run(grid(6), 2)
    assert [len(senders) for senders in ground.mean.senders] == [2, 2]


def test_where_rounds_do_not_wait_those_that_train_count_into_the_fraction() -> None:
    ground = obliged("fraction <= 0.5", rule=ASYNC)
    nodes = grid(4)
    nodes.after = {1: 2, 2: 3, 3: 5, 4: 4}
    ground.run(nodes, 4)
    assert len(nodes.pushed[0]) == 2
    training = 0
    for pushed, senders in zip(nodes.pushed, ground.mean.senders, strict=True):
        training += len(pushed)
        assert training <= 2
        training -= len(senders)


def test_a_selection_keeps_to_the_limit_and_says_whose_it_is() -> None:
    nodes, limit = [node(at) for at in range(1, 11)], Limit(3, "beyond fraction <= 0.3 (dpo)")
    for plan in (SelectionPlan(), SelectionPlan(fair_rounds=2), SelectionPlan(selection="utility")):
        chooser = selector(plan, 0.8, 1, 0.2)
        for round_ in range(1, 6):
            choice = chooser.choose(round_, nodes, limit)
            assert len(choice.nodes) == 3
            assert choice.wanted == 3
            out = {reason for at, reason in choice.reasons.items() if at not in choice.nodes}
            assert out == {limit.why}
    small = selector(SelectionPlan(), 0.2, 1).choose(1, nodes, limit)
    assert len(small.nodes) == 2
    assert set(small.reasons) == set(small.nodes)


def governed(folder: Path, bounds: str, link: Linked | None, **keys: Any) -> tuple[Outcome, Notes]:
    """A run of the digits on three nodes, by a set that obliges."""
    rules, notes = folder / "policy", Notes()
    if not rules.exists():
        init(rules)
    (rules / "own.cedar").write_text(OBLIGES.format(bounds))
    shape = {"task": "digits", "nodes": 3, "rounds": 3, "epochs": 1, "partition": "iid"}
    engine = "simulation" if link is None else "deployment"
    plan = Plan.of({**shape, "engine": engine, **keys})
    with governing(rules, folder, notes) as govern:
        steering = Steering(govern=govern)
        return train(plan, notes, run_id="r-1", steering=steering, link=link), notes


def assert_obliged(folder: Path, link: Linked | None) -> None:
    """Each bound holds in a whole run."""
    outcome, notes = governed(folder, "fraction <= 0.7; clip_norm <= 0.01", link)
    assert outcome.state == "finished"
    chosen = [one.details for one in notes.events("NODES_SELECTED")]
    assert [len(one["chosen"]) for one in chosen] == [2, 2, 2]
    why = "beyond fraction <= 0.7 (dpo, rule own.bounds)"
    assert [list(one["left_out"].values()) for one in chosen] == [[why]] * 3
    norms = [one.value for one in notes.samples("fl_client_update_norm")]
    assert len(norms) == 6
    assert max(norms) == pytest.approx(0.01, rel=1e-3)
    outcome, notes = governed(folder, "max_rounds <= 2", link)
    assert (outcome.state, outcome.rounds) == ("stopped", 2)
    assert "max_rounds <= 2 (dpo, rule own.bounds), got 3" in (outcome.reason or "")
    (ended,) = notes.events("RUN_ENDED")
    assert ended.details["by"] == "policy"
    outcome, _ = governed(folder, "min_clients >= 3", link, fraction=0.7)
    assert (outcome.state, outcome.rounds) == ("stopped", 0)
    assert "min_clients >= 3 (dpo, rule own.bounds), 2 were chosen" in (outcome.reason or "")


def test_simulated_each_bound_holds(tmp_path: Path) -> None:
    assert_obliged(tmp_path, None)


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_deployed_each_bound_holds(tmp_path: Path) -> None:
    with launched(settings(tmp_path), 3, task="digits") as federation:
        assert_obliged(tmp_path, Linked(Place(Address.of(federation.address)), 3))
