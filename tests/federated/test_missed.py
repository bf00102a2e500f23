"""Answers that are late or never come are evidence, where that is the node's own doing."""

from __future__ import annotations

import pytest
from flwr.app import Message

from fedsight.federated.plan import RoundPlan
from tests.federated.grounds import Ground, grid
from tests.federated.rounds.script import add_id
from tests.policy.asked import changed


def causes(ground: Ground, client: str) -> list[tuple[int | None, str]]:
    """What was learnt of a client, by round."""
    changes = [one for one in ground.changes if one.client == client]
    return [(one.round, one.cause) for one in changes if one.cause != "contributed"]


def test_an_answer_after_the_deadline_is_late_once_and_its_node_is_not_asked_meanwhile() -> None:
    nodes = grid(3)
    nodes.after = {3: 6}
    ground = Ground(changed(), rule=RoundPlan(timeout_seconds=0.1))
    ground.run(nodes, 5)
    assert causes(ground, "client-3")[0] == (1, "late")
    assert "silent" not in {cause for _, cause in causes(ground, "client-3")}
    asked = [round_ for round_, pushed in enumerate(nodes.pushed, 1) if 3 in pushed]
    assert [round_ for round_, _ in causes(ground, "client-3")] == asked
    assert causes(ground, "client-1") == [(at, "answered") for at in range(1, 6)]


def test_whoever_had_no_time_to_be_late_is_not_judged() -> None:
    nodes = grid(3)
    nodes.after = {3: 1000}
    ground = Ground(changed(), rule=RoundPlan(quorum=2))
    ground.run(nodes, 3)
    assert causes(ground, "client-3") == []


def test_a_node_that_falls_silent_is_worse_than_late(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fedsight.federated.rounds.exchange.ROLL_CALL_SECONDS", 0.0)
    nodes = grid(3)
    nodes.after = {3: None}
    ground = Ground(changed(), rule=RoundPlan(timeout_seconds=5.0))

    def gone(message: object) -> object:
        nodes.views = [one for one in nodes.views if one.node_id != 3] + [
            one.__class__(3, "client-3", 3, "warm", online=False)
            for one in nodes.views
            if one.node_id == 3
        ]
        return answer(message)  # type: ignore[arg-type]

    answer, nodes.answer = nodes.answer, gone  # type: ignore[assignment]
    nodes.after = {2: 3, 3: None}
    ground.run(nodes, 1)
    assert causes(ground, "client-3") == [(1, "silent")]


def test_a_node_that_may_not_train_is_no_reason_not_to_wait_for_those_that_may() -> None:
    nodes = grid(2)
    nodes.after = {1: 6}
    ground = Ground(
        changed({"members": '["client-1"]', "min_clients": "0"}),
        rule=RoundPlan(timeout_seconds=0.1, late="use"),
    )

    def quicker(message: Message) -> Message:
        nodes.after = {}  # it was slow but once
        return add_id(message)

    nodes.answer = quicker
    assert ground.run(nodes, 3) > 0
    assert nodes.pushed == [[1], [1], [1]]


def test_where_rounds_do_not_wait_a_node_that_trains_on_is_not_judged_before_it_answers() -> None:
    nodes = grid(3)
    nodes.after = {3: 3}
    ground = Ground(changed(), rule=RoundPlan(mode="async", buffer=2))
    ground.run(nodes, 6)
    assert {cause for _, cause in causes(ground, "client-3")} == {"answered"}
    assert 0 < len(causes(ground, "client-3")) < len(causes(ground, "client-1"))
