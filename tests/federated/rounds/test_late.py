import time

import pytest

from fedsight.federated.rounds.late import Late, LateAnswer
from tests.federated.rounds.script import add_id, failing, sender, to


def reply(node_id: int, message_id: str = "m", *, failed: bool = False):  # type: ignore[no-untyped-def]
    message = to(node_id)
    message.metadata.__dict__["_message_id"] = message_id
    return failing({node_id} if failed else set())(message) if failed else add_id(message)


@pytest.mark.parametrize(("rule", "told", "used"), [("count", 1, 0), ("use", 1, 1), ("drop", 0, 0)])
def test_a_late_answer_is_counted_used_or_dropped(rule: str, told: int, used: int) -> None:
    found: list[LateAnswer] = []
    late = Late(rule, found.append)
    late.expect({"m": 7}, time.monotonic())
    assert late.busy == {7}
    late.arrived(reply(7))
    assert late.busy == set()
    assert len(found) == told
    assert [sender(one) for one in late.usable(set())] == [7] * used


def test_a_late_answer_of_a_node_that_answers_now_counts_once() -> None:
    late = Late("use")
    late.expect({"m": 7}, time.monotonic())
    late.arrived(reply(7))
    assert late.usable({7}) == []
    assert late.usable(set()) == []


def test_the_same_answer_twice_counts_once() -> None:
    found: list[LateAnswer] = []
    late = Late("use", found.append)
    late.expect({"m": 7}, time.monotonic())
    late.arrived(reply(7))
    late.arrived(reply(7))
    late.arrived(reply(8, "unknown"))
    assert len(found) == 1
    assert len(late.usable(set())) == 1


def test_a_late_failure_is_nothing() -> None:
    found: list[LateAnswer] = []
    late = Late("use", found.append)
    late.expect({"m": 7}, time.monotonic())
    late.arrived(reply(7, failed=True))
    assert (found, late.usable(set())) == ([], [])


def test_what_is_too_old_is_expected_no_longer() -> None:
    late = Late("count", most_seconds=10.0)
    late.expect({"old": 1}, time.monotonic() - 11.0)
    late.expect({"new": 2}, time.monotonic() - 9.0)
    assert late.busy == {2}
