from __future__ import annotations

import time
from collections.abc import Iterable, Mapping

import pytest
from flwr.app import Message

from fedsight.federated.rounds.control import Control, Progressing, RunStoppedError
from fedsight.federated.rounds.exchange import Closing, Exchanges, Waiting
from fedsight.federated.rounds.late import Late, LateAnswer
from fedsight.federated.rounds.scripted import ScriptedGrid
from tests.federated.rounds.script import failing, grid, sender, to


class Roll:
    """Says who is silent."""

    def __init__(self, silent: Mapping[int, str] | None = None) -> None:
        self.now = dict(silent or {})

    def silent(self) -> Mapping[int, str]:
        return self.now


class Asked:
    """An exchange with the nodes of a scripted grid."""

    def __init__(self, nodes: ScriptedGrid, silent: Mapping[int, str] | None = None) -> None:
        self.control, self.progress = Control(), Progressing()
        self.late_answers: list[LateAnswer] = []
        self.late = Late("count", self.late_answers.append)
        self.grid = nodes
        self.exchanges = Exchanges(
            nodes,
            control=self.control,
            progress=self.progress,
            roll=Roll(silent),
            late=self.late,
            name=lambda node_id: f"client-{node_id}",
        )

    def answers(self, closing: Closing) -> list[Message]:
        messages = [to(node_id) for node_id in self.grid.get_node_ids()]
        return list(self.exchanges.answers(messages, closing, "training"))


def test_answers_come_in_the_order_of_the_messages() -> None:
    asked = Asked(grid(4, after={1: 4, 2: 3, 3: 2, 4: 1}))
    assert [sender(one) for one in asked.answers(Closing())] == [1, 2, 3, 4]
    assert asked.exchanges.lost == {}


def test_an_answer_is_handed_on_as_soon_as_those_before_it_are_there() -> None:
    nodes = grid(3, after={1: 1, 2: 3, 3: 2})
    looks = []
    asked = Asked(nodes)
    messages = [to(node_id) for node_id in nodes.get_node_ids()]
    for one in asked.exchanges.answers(messages, Closing(), "training"):
        looks.append((sender(one), nodes.looks))
    assert looks == [(1, 1), (2, 3), (3, 3)]


def test_the_deadline_closes_an_exchange_and_names_who_did_not_answer() -> None:
    asked = Asked(grid(3, after={2: None}))
    began = time.monotonic()
    found = asked.answers(Closing(deadline_seconds=0.2))
    assert 0.2 <= time.monotonic() - began < 1.0
    assert [sender(one) for one in found] == [1, 3]
    assert asked.exchanges.lost == {2: "did not answer within 0.2 s"}
    assert asked.late.busy == {2}


class Gone(ScriptedGrid):
    """A grid whose first look finds the way to the nodes gone for half a second."""

    away_seconds = 0.0

    def pull_messages(self, message_ids: Iterable[str]) -> list[Message]:
        if not self.looks:
            time.sleep(0.5)
            self.away_seconds = 0.5
        return super().pull_messages(message_ids)


def test_the_time_that_the_way_to_the_nodes_was_gone_is_not_theirs() -> None:
    scripted = grid(1, after={1: 3})
    asked = Asked(Gone(scripted.views, scripted.answer, scripted.after))
    assert len(asked.answers(Closing(deadline_seconds=0.4))) == 1
    assert asked.exchanges.lost == {}


def test_a_quorum_of_usable_answers_closes_an_exchange() -> None:
    asked = Asked(grid(4, after={1: 9, 2: 1, 3: 2, 4: 3}, answer=failing({2})))
    found = asked.answers(Closing(quorum=2))
    assert [(sender(one), one.has_error()) for one in found] == [(2, True), (3, False), (4, False)]
    assert asked.exchanges.lost == {1: "the round was closed by 2 answers"}


def test_a_quorum_that_cannot_be_reached_ends_with_the_last_answer() -> None:
    asked = Asked(grid(2, answer=failing({1, 2})))
    assert len(asked.answers(Closing(quorum=2))) == 2


def test_a_node_that_fell_silent_is_waited_for_no_longer() -> None:
    asked = Asked(grid(3, after={3: None}), silent={3: "silent for 11 s"})
    found = asked.answers(Closing(deadline_seconds=30.0))
    assert [sender(one) for one in found] == [1, 2]
    assert asked.exchanges.lost == {3: "silent for 11 s"}


def test_an_answer_after_the_deadline_is_counted_once_and_not_handed_on() -> None:
    asked = Asked(grid(2, after={2: 8}))
    assert [sender(one) for one in asked.answers(Closing(deadline_seconds=0.1))] == [1]
    found = asked.answers(Closing(deadline_seconds=5.0))
    assert [sender(one) for one in found] == [1, 2]
    (late,) = asked.late_answers
    assert late.node_id == 2
    assert late.seconds > 0
    assert asked.late.busy == set()


def test_a_stop_ends_the_wait_at_once() -> None:
    asked = Asked(grid(1, after={1: None}))
    asked.control.stop("that is enough")
    with pytest.raises(RunStoppedError, match="that is enough"):
        asked.answers(Closing(deadline_seconds=30.0))


def test_a_wait_that_takes_longer_than_usual_is_said_once() -> None:
    said: list[Waiting] = []
    asked = Asked(grid(2, after={2: None}))
    asked.exchanges._on_waiting = said.append
    asked.answers(Closing(deadline_seconds=7.5))
    assert said == [Waiting(("client-2",), 7.5)]


def test_progress_names_whom_it_waits_for_and_until_when() -> None:
    nodes = grid(2, after={2: 3})
    asked = Asked(nodes)
    messages = [to(node_id) for node_id in nodes.get_node_ids()]
    going = asked.exchanges.answers(messages, Closing(deadline_seconds=9.0), "training")
    assert sender(next(going)) == 1
    now = asked.progress.now
    assert (now.activity, now.waiting_for, now.message) == ("training", ("client-2",), "2 nodes")
    assert now.deadline is not None
    assert now.deadline - now.since == pytest.approx(9.0, abs=0.1)
    assert [sender(one) for one in going] == [2]
    assert asked.progress.now.waiting_for == ()
