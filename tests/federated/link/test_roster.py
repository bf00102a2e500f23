"""Who nodes say that they are."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from flwr.app import ConfigRecord, Error, Message, MetricRecord, RecordDict
from flwr.proto.node_pb2 import NodeInfo
from flwr.supercore.task_identity import TaskIdentity

from fedsight.federated.fleet import NodeView
from fedsight.federated.link.names import SHUT_OUT
from fedsight.federated.link.reports import NodeReport, NodeReports
from fedsight.federated.link.roster import MOST_QUESTIONS, Roster, introduced

VIEW = NodeView(1, "node-000001")


def said(**values: object) -> RecordDict:
    return RecordDict({"node": ConfigRecord({k.replace("_", "-"): v for k, v in values.items()})})


def test_an_introduction_is_read() -> None:
    view = introduced(
        VIEW, said(name="a", partition_id=3, num_partitions=9, kind="stock", tags="x, y,", gpu=True)
    )
    assert view == NodeView(1, "a", 3, "stock", ("x", "y"), {"gpu": True})


def test_what_makes_no_sense_is_left_out() -> None:
    assert introduced(VIEW, RecordDict()) == VIEW
    assert introduced(VIEW, RecordDict({"node": MetricRecord({"name": 1})})) == VIEW
    view = introduced(VIEW, said(name="", partition_id=-1, kind="superior", tags=""))
    assert view == NodeView(1, "node-000001", None, "unknown")
    assert introduced(VIEW, said(name="a\nb" + "c" * 99)).name == ("a b" + "c" * 99)[:64]
    assert introduced(VIEW, said(partition_id="3")).partition is None


def test_what_a_node_says_is_bounded_and_printable() -> None:
    many = {f"p{at}": "v" * 10_000 for at in range(1000)}
    view = introduced(VIEW, said(name="a\x1b[2Jb", tags=",".join(["t" * 99] * 999), **many))
    assert view.name == "a[2Jb"
    assert view.tags == ("t" * 64,) * 32
    assert dict(view.properties) == {f"p{at}": "v" * 64 for at in range(32)}


class Line:
    """Carries questions to nodes that answer as told, or do not."""

    def __init__(self) -> None:
        self.answers: dict[int, RecordDict | Error] = {}
        self.asked: list[int] = []
        self._sent: dict[str, Message] = {}

    def push(self, messages: Iterable[Message]) -> list[str]:
        ids = []
        for message in messages:
            message_id = f"q{len(self.asked)}"
            message.metadata.__dict__["_message_id"] = message_id
            self.asked.append(message.metadata.dst_node_id)
            self._sent[message_id] = message
            ids.append(message_id)
        return ids

    def pull(self, ids: Iterable[str]) -> list[Message]:
        found = []
        for each in ids:
            answer = self.answers.get(self._sent[each].metadata.dst_node_id)
            if answer is not None:
                found.append(Message(answer, reply_to=self._sent[each]))
        return found


def roster(line: Line) -> Roster:
    TaskIdentity.run_id, TaskIdentity.node_id, TaskIdentity.task_id = 5, 1, 9
    return Roster(line.push, line.pull, lambda _: line.answers.setdefault(0, RecordDict()))


def online(*ids: int) -> list[NodeInfo]:
    return [NodeInfo(node_id=each, status="online") for each in ids]


def test_each_new_node_is_asked_once() -> None:
    line = Line()
    line.answers = {7: said(name="b", partition_id=1), 8: said(name="a", partition_id=0)}
    known = roster(line)
    assert [view.name for view in known.views(online(7, 8), None)] == ["a", "b"]
    known.views(online(7, 8), None)
    assert line.asked == [7, 8]


def test_a_node_whose_app_cannot_be_asked_has_a_name_all_the_same() -> None:
    line = Line()
    line.answers = {0xABCDEF12: Error(202, "no query")}
    known = roster(line)
    for _ in range(5):
        (view,) = known.views(online(0xABCDEF12), None)
    assert (view.name, view.partition, view.kind) == ("node-cdef12", None, "unknown")
    assert len(line.asked) == MOST_QUESTIONS


def test_a_node_that_is_gone_stays_known_as_offline() -> None:
    line = Line()
    line.answers = {7: said(name="a")}
    known = roster(line)
    known.views(online(7), None)
    (view,) = known.views([], None)
    assert (view.name, view.online) == ("a", False)


def test_a_node_that_was_revoked_is_known_as_one_that_does_not_come() -> None:
    line = Line()
    line.answers = {7: said(name="a")}
    known = roster(line)
    known.views(online(7), None)
    reports = NodeReports(1, [NodeReport("7", None, "unregistered", 0.25, 1, 2, 3)], True)
    for there in ((7,), ()):
        (view,) = known.views(online(*there), reports)
        assert (view.online, view.refused, view.away) == (False, SHUT_OUT, SHUT_OUT)


def test_a_name_that_nobody_chose_is_no_claim() -> None:
    line = Line()
    line.answers = {7: said(name="b"), 8: said(name="b", name_chosen=False)}
    names = {"7": "b", "8": "b-2"}
    reports = [NodeReport(each, None, "online", 0.25, 1, 2, 3, [], names[each]) for each in names]
    bound = NodeReports(1, reports, True)
    views = roster(line).views(online(7, 8), bound)
    assert [(view.name, view.online, dict(view.properties)) for view in views] == [
        ("b", True, {}),
        ("b-2", True, {}),
    ]
    line.answers[8] = said(name="b")
    assert [view.online for view in roster(line).views(online(7, 8), bound)] == [True, False]


def test_a_node_with_a_new_id_is_not_two() -> None:
    line = Line()
    line.answers = {7: said(name="a"), 8: said(name="a")}
    known = roster(line)
    known.views(online(7), None)
    views = known.views(online(8), None)
    assert [(view.node_id, view.online) for view in views] == [(8, True)]


def test_polls_are_told_where_they_are_watched() -> None:
    line = Line()
    line.answers = {
        7: said(name="a", kind="warm"),
        8: said(name="b", kind="stock"),
        9: said(name="c", kind="warm"),
    }
    known = roster(line)
    reports = [NodeReport(each, None, "online", 0.25, 1, 2, 3) for each in ("7", "8")]
    views = known.views(online(7, 8, 9), NodeReports(1, reports))
    assert [(view.name, view.last_seen_seconds) for view in views] == [
        ("a", 0.25),
        ("b", None),  # it pauses while it starts an app
        ("c", None),
    ]


def test_a_node_that_was_taken_for_another_answers_a_question_of_before() -> None:
    line = Line()
    roster = Roster(line.push, line.pull, lambda _: None)
    line.answers[1] = said(name="node-000002", partition_id=0)
    roster.views(online(2), None)
    assert [view.name for view in roster.views(online(1), None)] == ["node-000002"]
    line.answers[2] = said(name="b", partition_id=1)
    assert [view.name for view in roster.views(online(1), None)] == ["node-000002"]
    roster.begin_anew()


def test_two_nodes_of_one_name_are_told_apart_and_keep_their_names(
    caplog: pytest.LogCaptureFixture,
) -> None:
    line = Line()
    first, second, third = 0x9AAAAAA, 0xABCDEF12, 0x5BBBBBB
    line.answers = {each: said(name="a") for each in (first, second, third)}
    known = roster(line)

    def names(*ids: int) -> dict[int, str]:
        return {view.node_id: view.name for view in known.views(online(*ids), None)}

    assert names(second, first) == {first: "a", second: "a~cdef12"}
    # One that comes later takes nobody's name, whatever its id.
    everybody = {first: "a", second: "a~cdef12", third: "a~bbbbbb"}
    assert names(third, second, first) == everybody
    assert names(second, third) == everybody  # the first is away
    assert names(third, second, first) == everybody
    assert [record.getMessage() for record in caplog.records] == [
        "two nodes are called a: the later one is a~cdef12 here",
        "two nodes are called a: the later one is a~bbbbbb here",
    ]


def test_a_name_that_looks_like_another_s_is_no_way_to_share_it() -> None:
    line = Line()
    line.answers = {1: said(name="a~000003"), 2: said(name="a"), 3: said(name="a")}
    names = [view.name for view in roster(line).views(online(1, 2, 3), None)]
    assert sorted(names) == ["a", "a~0000000000000003", "a~000003"]
