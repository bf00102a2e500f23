"""Rounds are made of messages: by the number they carry, or else by their order."""

from __future__ import annotations

from flwr.app import ConfigRecord, Error, Message, MetricRecord, RecordDict
from flwr.supercore.task_identity import TaskIdentity

from fedsight.federated.anyapp.seen import SeenRounds
from fedsight.federated.observation import RoundRecord
from fedsight.federated.rounds.engine import unsaid


class Talk:
    """A server's messages to nodes, each answered at once where `say` is not None."""

    def __init__(self) -> None:
        TaskIdentity.run_id, TaskIdentity.node_id, TaskIdentity.task_id = 1, 1, 1
        self.records: list[RoundRecord] = []
        ticks = iter(range(1, 10_000))
        self.seen = SeenRounds("r-1", self.records.append, unsaid, now=lambda: next(ticks))
        self._ids = iter(range(1, 10_000))

    def ask(self, node: int, kind: str = "train", group: str = "") -> Message:
        message = Message(RecordDict({"config": ConfigRecord()}), node, kind, group_id=group)
        message.metadata.__dict__["_message_id"] = f"m{next(self._ids)}"
        self.seen.asked(message, self.seen.now())
        return message

    def answer(self, message: Message, **metrics: float) -> None:
        content = RecordDict({"metrics": MetricRecord(dict(metrics))})
        self.seen.answered(Message(content, reply_to=message))

    def both(self, kind: str = "train", group: str = "") -> None:
        for message in [self.ask(7, kind, group), self.ask(8, kind, group)]:
            self.answer(message, loss=1.0)

    def rounds(self) -> list[tuple[int, list[str]]]:
        self.seen.close()
        return [(one.round, [node.node for node in one.nodes]) for one in self.records]


def test_rounds_have_the_numbers_that_their_messages_carry() -> None:
    talk = Talk()
    for group in ("1", "2", "5"):
        talk.both(group=group)
        talk.both("evaluate", group)
    assert talk.rounds() == [(1, ["7", "8"]), (2, ["7", "8"]), (5, ["7", "8"])]


def test_numbers_that_begin_anew_go_on() -> None:
    talk = Talk()
    for group in ("1", "2", "1", "2"):
        talk.both(group=group)
    assert [number for number, _ in talk.rounds()] == [1, 2, 3, 4]


def test_a_group_that_is_no_number_or_far_ahead_is_one_round() -> None:
    talk = Talk()
    for group in ("warm-up", "123456789", "-3"):
        talk.both(group=group)
    assert [number for number, _ in talk.rounds()] == [1, 2, 3]


def test_without_numbers_what_is_sent_after_answers_is_a_new_round() -> None:
    talk = Talk()
    first, second = talk.ask(7), talk.ask(8)
    talk.answer(first)
    talk.answer(second)
    talk.both("evaluate")
    talk.both("train.again")
    assert talk.rounds() == [(1, ["7", "8"]), (2, ["7", "8"])]


def test_messages_sent_one_by_one_under_one_number_are_one_round() -> None:
    talk = Talk()
    talk.answer(talk.ask(7, group="1"))
    talk.answer(talk.ask(8, group="1"))
    assert talk.rounds() == [(1, ["7", "8"])]


def test_questions_are_rounds_only_where_they_say_so() -> None:
    talk = Talk()
    talk.both("query")
    assert talk.rounds() == []
    talk.both("query", "1")
    talk.both("query", "2")
    assert [number for number, _ in talk.rounds()] == [1, 2]


def test_what_comes_after_its_round_changes_nothing() -> None:
    talk = Talk()
    late = talk.ask(7, group="1")
    talk.answer(talk.ask(8, group="1"))
    talk.ask(8, group="2")
    talk.answer(late)
    talk.seen.close()
    first, second = talk.records
    assert [node.status for node in first.nodes] == ["no_reply", "trained"]
    assert [node.node for node in second.nodes] == ["8"]


def test_a_round_lasts_from_its_first_message_to_its_last_answer() -> None:
    talk = Talk()
    messages = [talk.ask(7, group="1"), talk.ask(8, group="1")]
    for message in messages:
        talk.answer(message)
    end = talk.seen.now()
    talk.seen.close()
    assert talk.records[0].started == 1
    assert talk.records[0].ended < end


def test_an_error_is_a_failure_with_its_reason() -> None:
    talk = Talk()
    message = talk.ask(7, group="1")
    talk.seen.answered(Message(Error(2, "no data"), reply_to=message))
    talk.seen.close()
    (node,) = talk.records[0].nodes
    assert (node.status, node.reason) == ("failed", "no data")


def test_figures_of_a_round_are_weighed_by_samples_or_absent() -> None:
    talk = Talk()
    for node, samples in ((7, 1), (8, 3)):
        talk.answer(talk.ask(node, group="1"), **{"num-examples": samples, "train_loss": node})
    for node in (7, 8):
        talk.answer(talk.ask(node, "evaluate", "1"), accuracy=0.5)
    talk.seen.close()
    (record,) = talk.records
    assert record.train_loss == (7 + 3 * 8) / 4
    assert record.accuracy is None
    assert record.evaluate is not None


def test_a_late_update_that_is_refused_changes_no_other_round() -> None:
    talk = Talk()
    talk.answer(talk.ask(7, group="1"))
    talk.seen.rejected(8, "update holds 1 NaN")
    assert talk.rounds() == [(1, ["7"])]
    assert talk.records[0].nodes[0].status == "trained"
