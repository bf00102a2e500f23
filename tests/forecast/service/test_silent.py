"""A node whose rows ended is said to be silent, and foreseen again once it speaks."""

from __future__ import annotations

import pytest

from fedsight.door.times import rfc3339
from fedsight.forecast.service import answers, looking
from fedsight.forecast.service.rows import NodeStanding
from tests.forecast.service.made import Made, slots

#: Beyond five minutes of rows that are 3 s apart.
LATE = 110


def standing(made: Made, node: str) -> NodeStanding:
    """How it stands after one more look."""
    made.service.look()
    loaded = made.service.standing.loaded
    assert loaded is not None
    return answers.node(made.service.standing.nodes[node], loaded)


def test_a_node_whose_rows_ended_is_silent_and_nothing_is_told_of_it(made: Made) -> None:
    times = slots(60, ahead=-LATE)
    made.add("n-1", times)
    told = standing(made, "n-1")
    last = rfc3339(int(times[-1]))
    assert (told.standing, told.last_row, told.made_at) == ("silent", last, None)
    assert told.outlook == []
    assert told.message is not None
    assert told.message.startswith(f"n-1 sent no whole row since {last}")
    assert made.told == []


def test_few_rows_that_ended_are_silent_too(made: Made) -> None:
    made.add("n-1", slots(12, ahead=-LATE))
    told = standing(made, "n-1")
    assert (told.standing, told.rows, told.wanted) == ("silent", 12, 30)


def test_rows_that_an_agent_sends_every_three_minutes_are_not_late(made: Made) -> None:
    made.add("n-1", slots(60, ahead=-80))
    assert standing(made, "n-1").standing == "ready"


def test_one_that_was_ready_falls_silent_and_is_ready_again_when_rows_come(made: Made) -> None:
    times = slots(260)
    made.add("n-1", times[:100])
    made.add("n-2", times)
    assert [standing(made, name).standing for name in ("n-1", "n-2")] == ["silent", "ready"]
    made.add("n-1", times[100:])
    assert standing(made, "n-1").standing == "ready"


def test_silence_begins_between_two_looks_without_a_new_row(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    times = slots(60)
    made.add("n-1", times)
    assert standing(made, "n-1").standing == "ready"
    later = int(times[-1]) + 301 * 10**9
    monkeypatch.setattr(looking, "now_ns", lambda: later)
    assert standing(made, "n-1").standing == "silent"
