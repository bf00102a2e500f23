"""A training process and its nodes, over a SuperLink of ours."""

from __future__ import annotations

import threading
import time
from contextlib import closing

import numpy as np
from flwr.app import ConfigRecord, Message, RecordDict

from fedsight.federated import codec
from fedsight.federated.link.caller import Place
from fedsight.federated.link.fleet_client import FleetClient
from fedsight.federated.link.grid import MESSAGE_LOST, LinkGrid
from fedsight.federated.link.identity import fresh
from fedsight.federated.link.superlink import SuperLink
from fedsight.federated.link.wire import Wire
from tests.federated.link.fleet import Node, echo, introducing, nodes

CONFIG = {"task": "toy:task", "lr": 0.1, "rounds": 3, "warm": True}


def test_a_model_goes_to_each_node_and_back(superlink: SuperLink) -> None:
    vector = np.arange(3_000_000, dtype=np.float32)
    address = str(superlink.address)
    with (
        nodes(address, introducing("a", 1), introducing("b", 0)) as fleet,
        LinkGrid(Place(superlink.address), CONFIG) as grid,
    ):
        ids = grid.get_node_ids()
        assert sorted(ids) == sorted(node.node_id for node in fleet)
        content = RecordDict({"arrays": codec.pack(vector), "config": ConfigRecord({"round": 1})})
        messages = [Message(content, node_id, "train") for node_id in ids]
        answers = grid.send_and_receive(messages, timeout=30)
        assert {answer.metadata.src_node_id for answer in answers} == set(ids)
        for answer in answers:
            assert np.array_equal(codec.unpack(answer.content["arrays"]), vector)
        views = grid.nodes()
        assert [(view.name, view.partition, view.kind) for view in views] == [
            ("b", 0, "warm"),
            ("a", 1, "warm"),
        ]
        assert views[0].tags == ("a", "b")
        assert views[0].properties == {"cpu_count": 2}
        assert all(view.online and view.last_seen_seconds is not None for view in views)
        turn = grid.turn(answers[0].metadata.reply_to_message_id)
        assert turn is not None
        assert turn.download is not None
        assert turn.train is not None
        assert turn.upload is not None
        now = time.time_ns()
        assert now - 30e9 < turn.download.start <= turn.download.end <= turn.train.end
        assert turn.upload.start <= turn.upload.end <= now


def test_an_answer_that_is_far_larger_than_a_model_is_an_error_of_its_node(
    superlink: SuperLink,
) -> None:
    def swollen(_: Message) -> RecordDict:
        return RecordDict({"arrays": codec.pack(np.zeros(3_000_000, np.float32))})

    address = str(superlink.address)
    with (
        nodes(address, introducing("a", 0, swollen), introducing("b", 1)),
        LinkGrid(Place(superlink.address), CONFIG, most_answer_bytes=8_000_000) as grid,
    ):
        content = RecordDict({"config": ConfigRecord({"round": 1})})
        messages = [Message(content, node.node_id, "train") for node in grid.nodes()]
        answers = grid.send_and_receive(messages, timeout=30)
        said = [one.error.reason if one.has_error() else None for one in answers]
        assert set(said) == {None, "the answer is larger than 8000000 bytes"}
        content = RecordDict({"arrays": codec.pack(np.zeros(1_000_000, np.float32))})
        messages = [Message(content, node.node_id, "train") for node in grid.nodes()]
        answers = grid.send_and_receive(messages, timeout=30)  # now the model itself is as large
        assert [one.has_error() for one in answers] == [False, False]


class Slow(Node):
    """A node whose answers are announced, and come when they are let."""

    let = threading.Event()

    def _turn(self, receive, send, run, fab, pull, push, confirm) -> bool:  # type: ignore[no-untyped-def]
        def late(*given: object) -> None:
            assert self.let.wait(30)
            push(*given)

        return super()._turn(receive, send, run, fab, pull, late, confirm)


def test_an_answer_that_is_on_its_way_holds_no_other_up(superlink: SuperLink) -> None:
    address = str(superlink.address)
    slow, quick = (kind(address, echo, None, None).start() for kind in (Slow, Node))
    with LinkGrid(Place(superlink.address), CONFIG) as grid:
        content = RecordDict({"config": ConfigRecord({"round": 1})})
        messages = [Message(content, node.node_id, "train") for node in (slow, quick)]
        waiting = set(grid.push_messages(messages))
        answered: list[int] = []
        deadline = time.monotonic() + 20
        while waiting and time.monotonic() < deadline:
            for answer in grid.pull_messages(waiting):
                waiting.discard(answer.metadata.reply_to_message_id)
                answered.append(answer.metadata.src_node_id)
                if len(answered) == 1:
                    time.sleep(0.5)
                    assert not grid.pull_messages(waiting)
                    slow.let.set()
            time.sleep(0.02)
    for node in (slow, quick):
        node.stop()
    assert answered == [quick.node_id, slow.node_id]


def test_who_is_there_is_told_at_once_while_answers_are_awaited(superlink: SuperLink) -> None:
    let = threading.Event()

    def busy(message: Message) -> RecordDict:
        assert let.wait(30)
        return message.content

    with (
        nodes(str(superlink.address), introducing("a", 0, busy)) as (node,),
        LinkGrid(Place(superlink.address), CONFIG) as grid,
    ):
        content = RecordDict({"config": ConfigRecord({"round": 1})})
        (asked,) = grid.push_messages([Message(content, node.node_id, "train")])
        began = time.monotonic()
        (view,) = grid.nodes()  # it is new, and too busy to say who it is
        assert time.monotonic() - began < 1.5
        assert view.name == f"node-{node.node_id & 0xFFFFFF:06x}"
        let.set()
        deadline = time.monotonic() + 20
        while grid.nodes()[0].name != "a" and time.monotonic() < deadline:
            time.sleep(0.05)
        assert grid.nodes()[0].name == "a"
        while not (answers := grid.pull_messages([asked])) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not answers[0].has_error()


def test_a_message_whose_announcement_was_lost_is_an_error_of_its_node(
    superlink: SuperLink,
) -> None:
    with (
        closing(Wire(superlink.address, None)) as wire,
        LinkGrid(Place(superlink.address), CONFIG) as grid,
    ):
        node = FleetClient(wire, fresh())
        content = RecordDict({"config": ConfigRecord({"round": 1})})
        (asked,) = grid.push_messages([Message(content, node.join(), "train")])
        assert node.poll() is not None  # and it never learns of that
        answers: list[Message] = []
        deadline = time.monotonic() + 20
        while not answers and time.monotonic() < deadline:
            assert node.poll() is None
            answers = grid.pull_messages([asked])
            time.sleep(0.05)
        assert answers[0].error.reason == MESSAGE_LOST
