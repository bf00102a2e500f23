from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import pytest

from fedsight.federated.fleet import RoundLostError
from fedsight.federated.observation import Period, Turn
from fedsight.federated.rounds.muster import BUSY, Muster, Present
from fedsight.federated.rounds.scripted import ScriptedGrid
from tests.federated.rounds.script import Said, add_id, grid, node


class TimedGrid(ScriptedGrid):
    """A scripted grid that knows when nodes worked."""

    def turn(self, message_id: str) -> Turn | None:
        return Turn(train=Period(1, 2)) if message_id == "m" else None


def test_a_busy_node_is_hidden_and_says_why() -> None:
    shown = Present(grid(3), grid(3).views, {2})
    assert list(shown.get_node_ids()) == [1, 3]
    assert [(one.name, one.away) for one in shown.nodes() if not one.online] == [("client-2", BUSY)]


def test_when_nodes_worked_is_known_through_what_hides_some() -> None:
    views = grid(2).views
    shown = Present(TimedGrid(views, add_id), views, set())
    assert shown.turn("m") == Turn(train=Period(1, 2))
    assert shown.turn("other") is None
    assert Present(grid(2), views, set()).turn("m") is None


def test_nodes_that_are_expected_are_waited_for_a_little_and_no_longer() -> None:
    nodes, said = grid(1), Said()
    muster = Muster(nodes, 10.0, said)
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 2:
            nodes.views.append(node(2))

    muster.gather(2, 30.0, sleep)
    assert len(slept) == 2
    began = time.monotonic()
    muster.gather(3, 0.1, time.sleep)
    assert time.monotonic() - began < 1.0
    assert said.events == []


def test_a_superlink_that_is_lost_meanwhile_is_looked_at_again() -> None:
    class Flaky(ScriptedGrid):
        lost = True

        def nodes(self) -> list:  # type: ignore[type-arg]
            if self.lost:
                self.lost = False
                raise RoundLostError("anew")
            return self.views

    Muster(Flaky(grid(2).views, add_id), 10.0, Said()).gather(2, 5.0, lambda _: None)


def test_one_that_was_refused_and_then_went_away_is_told_as_away() -> None:
    nodes, said = grid(1), Said()
    there, muster = nodes.views[0], Muster(nodes, 10.0, said)

    def seen(**more: Any) -> str | None:
        nodes.views[0] = replace(there, **more)
        return muster.nodes()[0].away

    refused = {"online": False, "refused": "says it is b"}
    assert [seen(**refused), seen(**refused)] == ["says it is b"] * 2
    assert [seen(online=False), seen(online=False)] == ["offline"] * 2
    assert [seen(), seen(online=False), seen(**refused)] == [None, "offline", "says it is b"]
    assert said.kinds() == [
        "NODE_REFUSED",
        "NODE_SILENT",
        "NODE_RETURNED",
        "NODE_SILENT",
        "NODE_REFUSED",
    ]


@pytest.mark.parametrize(("age", "there"), [(None, True), (9.9, True), (10.1, False)])
def test_a_warm_node_is_there_while_it_polls(age: float | None, there: bool) -> None:
    nodes, said = grid(1), Said()
    nodes.views[0] = replace(nodes.views[0], last_seen_seconds=age)
    (found,) = Muster(nodes, 10.0, said).nodes()
    assert found.online == there
    assert said.kinds() == ([] if there else ["NODE_SILENT"])
