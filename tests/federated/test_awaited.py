"""Where policy wants more nodes than are there, those that are late or away are waited for."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest
from flwr.app import Message

from fedsight.federated.plan import RoundPlan
from fedsight.federated.rounds.control import DeniedError
from fedsight.federated.rounds.scripted import ScriptedGrid
from fedsight.policy.audit import SigningKey, Trail
from fedsight.policy.audit.exporting import records
from tests.federated.grounds import Ground, grid
from tests.federated.rounds.script import add_id
from tests.federated.test_obliged import OBLIGES
from tests.policy.asked import changed

ALL = {"min_clients": "3"}
SHORT = RoundPlan(timeout_seconds=0.1)


def slow_once(nodes: ScriptedGrid, looks: int | None) -> None:
    """Client 3 answers its first message so many looks late."""
    nodes.after = {3: looks}

    def answer(message: Message) -> Message:
        nodes.after = {}
        return add_id(message)

    nodes.answer = answer


def waits(ground: Ground) -> list[dict[str, object]]:
    return [details for kind, *_, details in ground.said.events if kind == "ROUND_WAITING"]


@pytest.mark.parametrize(
    ("limits", "bounds"),
    [
        (ALL, "max_rounds <= 9"),
        ({}, "min_clients >= 3"),
        ({}, "min_clients >= 2; fraction <= 0.7"),
    ],
)
def test_a_late_node_does_not_stop_a_run_that_wants_it(limits: dict[str, str], bounds: str) -> None:
    ground = Ground(changed(limits, own=OBLIGES.format(bounds)), rule=SHORT)
    nodes = grid(3)
    slow_once(nodes, 6)
    ground.run(nodes, 3)
    assert len(ground.mean.senders) == 3
    assert "ROUND_POLICY_DENIED" not in ground.kinds()
    if 3 in nodes.pushed[0]:
        (told,) = waits(ground)
        assert told["waiting_for"] == ["client-3"]
        assert "waiting for client-3 (busy with an earlier round): the policy" in str(
            told["message"]
        )


def test_a_round_that_policy_allows_without_it_does_not_wait() -> None:
    nodes = grid(3)
    slow_once(nodes, 1000)
    ground = Ground(changed({"min_clients": "2"}), rule=SHORT)
    ground.run(nodes, 2)
    assert nodes.pushed == [[1, 2, 3], [1, 2]]
    assert waits(ground) == []


def test_the_wait_is_bounded_and_its_end_says_for_whom_and_what_to_do() -> None:
    nodes = grid(3)
    slow_once(nodes, None)
    ground = Ground(changed(ALL), rule=replace(SHORT, wait_seconds=0.4))
    with pytest.raises(DeniedError) as stopped:
        ground.run(nodes, 3)
    assert "fewer clients may train than" in str(stopped.value)
    assert "waited 0.4 s for client-3 (busy with an earlier round): start them" in str(
        stopped.value
    )
    (denied,) = [one for one in ground.said.events if one[0] == "ROUND_POLICY_DENIED"]
    assert denied[3]["rules"] == ["run.too-few-clients"]
    (count,) = {one.value for one in ground.figures if one.labels["action"] == "nextRound"}
    assert count == 1


def test_a_node_that_is_away_is_waited_for_and_one_that_may_not_train_is_not() -> None:
    nodes = grid(3)
    there = list(nodes.views)
    nodes.views = [*there[:2], replace(there[2], online=False)]
    looked = 0

    def seen() -> list[object]:
        nonlocal looked
        looked += 1
        return there if looked > 6 else nodes.views  # type: ignore[return-value]

    nodes.nodes = seen  # type: ignore[assignment,method-assign]
    ground = Ground(changed(ALL))
    ground.run(nodes, 1)
    assert nodes.pushed == [[1, 2, 3]]
    (told,) = waits(ground)
    assert "client-3 (offline)" in str(told["message"])

    nodes = grid(3)
    nodes.views[2] = replace(nodes.views[2], online=False)
    ground = Ground(changed({**ALL, "members": '["client-1", "client-2"]'}))
    with pytest.raises(DeniedError, match=r"2 may train, not client-3 \(offline\): mend"):
        ground.run(nodes, 1)
    assert waits(ground) == []


def test_one_that_comes_while_policy_is_asked_is_not_missed() -> None:
    nodes = grid(3)
    there = list(nodes.views)
    nodes.views = [*there[:2], replace(there[2], online=False)]
    ground = Ground(changed(ALL), rule=RoundPlan(wait_seconds=60.0))
    ask = ground.governance.could_go_on

    def asked(round: int, clients: int) -> bool:
        nodes.views = there
        return ask(round, clients)

    ground.governance.could_go_on = asked  # type: ignore[method-assign]
    began = time.monotonic()
    ground.run(nodes, 1)
    assert nodes.pushed == [[1, 2, 3]]
    assert len(waits(ground)) == 1
    assert time.monotonic() - began < 30


def test_one_that_is_not_taken_is_not_waited_for() -> None:
    nodes = grid(3)
    nodes.views[2] = replace(nodes.views[2], online=False, refused="its key was revoked")
    ground = Ground(changed(ALL))
    with pytest.raises(DeniedError, match=r"2 may train, not client-3 \(its key was revoked\)"):
        ground.run(nodes, 1)
    assert waits(ground) == []


def test_what_would_be_with_those_that_are_awaited_is_no_record(tmp_path: Path) -> None:
    nodes = grid(3)
    nodes.views[2] = replace(nodes.views[2], online=False)
    with Trail(tmp_path / "trail", SigningKey.open(tmp_path / "key")) as trail:
        ground = Ground(changed(ALL), rule=replace(SHORT, wait_seconds=0.4), trail=trail)
        with pytest.raises(DeniedError, match="waited"):
            ground.run(nodes, 1)
    kept = [one.body for one in records(tmp_path / "trail", kind="decision")]
    rounds = [one for one in kept if one["request"]["action"] == "nextRound"]
    clients = {one["request"]["resource"]["attributes"]["clients"] for one in rounds}
    assert (clients, {one["allowed"] for one in rounds}) == ({2}, {False})


def test_what_would_be_does_not_oblige() -> None:
    many = OBLIGES.format("fraction <= 0.5").replace(");", ") when { resource.clients >= 8 };")
    governance = Ground(changed({}, own=many)).governance
    assert governance.may_go_on(1, 4) is None
    assert governance.could_go_on(1, 8)
    assert not governance.could_go_on(1, 0)
    assert governance.limit(8) is None
    assert governance.may_go_on(1, 8) is None
    found = governance.limit(8)
    assert found is not None
    assert found.most == 4


def test_what_policy_itself_refuses_is_named_at_once() -> None:
    ground = Ground(changed({**ALL, "members": '["client-1"]'}))
    with pytest.raises(DeniedError) as stopped:
        ground.run(grid(3), 1)
    why = "client-2, client-3 (refused by policy: not a member of the federation)"
    assert f"of 3 nodes 1 may train, not {why}" in str(stopped.value)


def test_where_rounds_do_not_wait_the_late_one_is_waited_for_too() -> None:
    nodes = grid(3)
    slow_once(nodes, 8)
    rule = RoundPlan(mode="async", buffer=2, timeout_seconds=0.1)
    ground = Ground(changed(ALL), rule=rule)
    ground.run(nodes, 4)
    assert len(ground.mean.senders) == 4
    assert "ROUND_POLICY_DENIED" not in ground.kinds()
