"""What a SuperLink sees of its nodes' requests, and that it forgets in time."""

from __future__ import annotations

import itertools

import pytest

from fedsight.federated.link import polls as module
from fedsight.federated.link.polls import Polls
from fedsight.federated.link.reports import TurnReport

ENOUGH = module.MOST_TURNS


@pytest.fixture
def polls() -> Polls:
    """Its clock goes on by one at each look."""
    return Polls(itertools.count(1).__next__)


def test_a_turn_is_told_from_the_requests_of_its_message(polls: Polls) -> None:
    polls.stored("m")  # 1
    polls.handed_over("m", 5)  # 2
    polls.received("m")  # 3
    began = polls.now()  # 4
    polls.answer_began("m", began, "session", 2)
    polls.object_came("session")
    assert polls.turns(["m"])["m"].upload is None
    polls.object_came("session")  # 5
    assert polls.turns(["m", "unknown"]) == {
        "m": TurnReport(queued=(1, 2), download=(2, 3), train=(3, 4), upload=(4, 5))
    }


def test_an_answer_without_objects_is_whole_at_once(polls: Polls) -> None:
    polls.handed_over("m", 5)
    polls.answer_began("m", polls.now(), "session", 0)
    report = polls.turns(["m"])["m"]
    assert report.queued is None
    assert report.download is None
    assert report.train == (1, 2)
    assert report.upload == (2, 3)


def test_objects_of_no_session_are_nobody_s(polls: Polls) -> None:
    polls.object_came("never begun")
    polls.received("never handed over")
    assert polls.turns(["never handed over"]) == {}


def test_old_turns_are_forgotten(polls: Polls) -> None:
    for at in range(ENOUGH + 10):
        polls.stored(f"m{at}")
    assert polls.turns(["m9"]) == {}
    assert "m10" in polls.turns(["m10"])


def test_a_node_s_requests_are_counted(polls: Polls) -> None:
    assert polls.seconds_since(5) is None
    polls.asked(5, 100)
    polls.answered(5, 30)
    polls.asked(5, 1)
    node = polls.nodes[5]
    assert (node.requests, node.bytes_in, node.bytes_out) == (2, 101, 30)
    age = polls.seconds_since(5)
    assert age is not None
    assert 0 <= age < 5


def test_what_a_node_held_is_lost_with_its_process() -> None:
    polls = Polls(lambda: 1)
    polls.asked(7, 0, "first")
    for message in ("answered", "held", "half-answered"):
        polls.handed_over(message, 7)
    polls.answer_began("answered", 1, "s-1", 1)
    polls.object_came("s-1")
    polls.answer_began("half-answered", 1, "s-2", 2)
    polls.object_came("s-2")
    polls.asked(7, 0, "first")
    assert list(polls.nodes[7].lost) == []
    polls.asked(7, 0, "second")
    assert list(polls.nodes[7].lost) == ["held", "half-answered"]
    polls.handed_over("new", 7)
    polls.asked(7, 0, "first")  # a question of before, answered late
    polls.asked(7, 0, "second")
    assert list(polls.nodes[7].held) == ["new"]
    assert list(polls.nodes[7].lost) == ["held", "half-answered"]


def test_a_node_that_does_not_name_its_processes_begins_anew_when_it_comes_online() -> None:
    polls = Polls(lambda: 1)
    polls.asked(7, 0)
    polls.went_online(7)
    polls.handed_over("held", 7)
    polls.asked(7, 0)
    assert list(polls.nodes[7].lost) == []
    polls.went_online(7)
    assert list(polls.nodes[7].lost) == ["held"]


SECOND = 10**9


class Asking:
    """A node that asks twenty times a second; `now` is the time, in nanoseconds."""

    def __init__(self) -> None:
        self.now = SECOND
        self.polls = Polls(lambda: self.now)
        self.ask()

    def ask(self, *handed: str, seconds: float = 0.05) -> None:
        """Ask until so many seconds are over; the last answer names these messages."""
        until = self.now + int(seconds * SECOND)
        while self.now < until:
            self.now += SECOND // 20
            self.polls.asked(7, 0, "life")
            self.polls.polled(7)
        for message in handed:
            self.polls.handed_over(message, 7, frozenset({message, "model"}))

    @property
    def lost(self) -> list[str]:
        return list(self.polls.nodes[7].lost)


def test_a_message_that_did_not_reach_its_node_is_lost() -> None:
    node = Asking()
    node.ask("m")
    node.ask(seconds=1.9)
    assert node.lost == []
    node.ask(seconds=0.2)
    assert node.lost == ["m"]
    node.polls.received("m")  # it had only been slow
    assert node.lost == []


def test_a_message_on_its_way_is_not_lost_however_long_that_takes() -> None:
    node = Asking()
    node.ask("m")
    node.polls.fetched(7, "model")
    node.ask(seconds=600)
    assert node.lost == []
    node.polls.received("m")
    node.ask(seconds=600)
    assert node.lost == []


def test_a_message_that_waits_behind_another_is_not_lost() -> None:
    node = Asking()
    node.ask("first")
    node.polls.received("first")
    node.ask("second")
    node.ask(seconds=600)
    assert node.lost == []
    node.polls.answer_began("first", node.now, "s", 0)
    node.ask(seconds=1.5)
    assert node.lost == []
    node.polls.fetched(7, "second")
    node.ask(seconds=600)
    assert node.lost == []


def test_a_message_that_its_node_passed_over_is_lost_at_once() -> None:
    node = Asking()
    node.ask("first")
    node.polls.received("first")  # and it never answers
    node.ask("second")
    node.ask("third")
    node.polls.received("third")
    node.ask()
    assert node.lost == ["second"]


def test_one_that_asks_no_more_has_lost_nothing_yet() -> None:
    node = Asking()
    node.ask("m")
    node.now += 600 * SECOND
    node.polls.polled(7)
    assert node.lost == []
    node.polls.polled(7)
    assert node.lost == ["m"]
