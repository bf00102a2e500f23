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
