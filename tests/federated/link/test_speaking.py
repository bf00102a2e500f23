"""A node speaks for itself alone, by one process, and only as long as its key is taken."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from flwr.app import ConfigRecord, Message, RecordDict
from flwr.common.constant import SUPERLINK_NODE_ID

from fedsight.federated.link import delivery, identity, turned_away
from fedsight.federated.link.caller import Place
from fedsight.federated.link.fleet_client import FleetClient, ForgottenError, RefusedError
from fedsight.federated.link.grid import SHUT_OUT, LinkGrid
from fedsight.federated.link.identity import Identity
from fedsight.federated.link.membership import Membership
from fedsight.federated.link.reports import Refusal
from fedsight.federated.link.superlink import SuperLink, SuperLinkOptions
from fedsight.federated.link.wire import RejectedError, Wire


@dataclass
class Ground:
    """A SuperLink that takes registered keys only, a training process, and two members' keys."""

    place: Place
    grid: LinkGrid
    keys: dict[str, Identity]
    told: list[Refusal]
    open_: ExitStack
    executor: ThreadPoolExecutor

    def client(self, name: str, memory: Path | None = None) -> FleetClient:
        """A process that is that member, online."""
        wire = Wire(self.place.address, None)
        self.open_.callback(wire.close)
        client = FleetClient(wire, self.keys[name], memory, old_self_seconds=0.0)
        client.join()
        return client

    def asked(self, client: FleetClient) -> tuple[str, Message]:
        """A message for that node, its id, and the message as the node has taken it."""
        content = RecordDict({"config": ConfigRecord({"word": "hello"})})
        (message_id,) = self.grid.push_messages([Message(content, client.node_id, "train")])
        found = client.poll()
        assert found is not None
        return message_id, delivery.received(client, *found, self.executor)

    def reasons(self) -> list[str]:
        return [one.reason for one in self.told]


@pytest.fixture
def ground(tmp_path: Path) -> Iterator[Ground]:
    told: list[Refusal] = []
    link = SuperLink(SuperLinkOptions(port=0, node_auth=True), on_refusal=told.append)
    with ExitStack() as open_:
        place = Place(link.start())
        open_.callback(link.stop)
        keys = {name: identity.write(tmp_path / name) for name in ("a", "b")}
        with Membership(place) as members:
            for name in keys:
                members.register(tmp_path / f"{name}.pub")
        executor = open_.enter_context(ThreadPoolExecutor(2))
        grid = open_.enter_context(LinkGrid(place, {}))
        yield Ground(place, grid, keys, told, open_, executor)


def answer_to(message: Message, word: str) -> delivery.Parcel:
    content = RecordDict({"config": ConfigRecord({"word": word})})
    return delivery.packed(Message(content, reply_to=message))


def refused(client: FleetClient, parcel: delivery.Parcel) -> None:
    with pytest.raises(RejectedError) as caught:
        client.push(parcel.head, parcel.content.tree, 0.1)
    assert caught.value.status == 403


def test_nobody_answers_for_another(ground: Ground) -> None:
    a, b = ground.client("a"), ground.client("b")
    message_id, message = ground.asked(a)
    refused(b, answer_to(message, "poison"))
    as_itself = answer_to(message, "poison")
    as_itself.head.metadata.src_node_id = b.node_id
    refused(b, as_itself)
    assert ground.reasons() == [turned_away.FOR_ANOTHER]
    delivery.send(a, answer_to(message, "mine"), 0.1, ground.executor)
    (answer,) = ground.grid.pull_messages([message_id])
    assert answer.content["config"]["word"] == "mine"


def test_no_node_tells_another_what_to_do(ground: Ground) -> None:
    a, b = ground.client("a"), ground.client("b")
    content = RecordDict({"config": ConfigRecord({"word": "obey"})})
    order = Message(content, a.node_id, "train")
    order.metadata.__dict__["_run_id"] = ground.grid.run.run_id
    order.metadata.__dict__["_src_node_id"] = SUPERLINK_NODE_ID
    refused(b, delivery.packed(order))
    assert a.poll() is None


def test_no_node_has_another_s_message_thrown_away(ground: Ground) -> None:
    a, b = ground.client("a"), ground.client("b")
    content = RecordDict({"config": ConfigRecord({"word": "hello"})})
    ground.grid.push_messages([Message(content, a.node_id, "train")])
    found = a.poll()
    assert found is not None
    with pytest.raises(RejectedError):
        b.confirm(ground.grid.run.run_id, found[1].object_id)
    assert delivery.received(a, *found, ground.executor).content["config"]["word"] == "hello"


def test_of_two_processes_with_one_key_the_later_is_the_node(
    ground: Ground, tmp_path: Path
) -> None:
    memory = tmp_path / "id"
    first = ground.client("a", memory)
    assert first.poll() is None
    second = ground.client("a", memory)  # a copy of the machine: it says goodbye for the first
    assert second.node_id == first.node_id
    for call in (first.poll, first.beat, first.leave):
        with pytest.raises(ForgottenError):
            call()
    message_id, message = ground.asked(second)
    delivery.send(second, answer_to(message, "mine"), 0.1, ground.executor)
    assert len(ground.grid.pull_messages([message_id])) == 1
    assert ground.reasons() == [turned_away.TAKEN_OVER]
    with pytest.raises(RefusedError, match="another process with it is online"):
        first.join()
    second.beat()


def test_an_answer_that_came_before_its_node_was_shut_out_does_not_count(ground: Ground) -> None:
    a = ground.client("a")
    message_id, message = ground.asked(a)
    delivery.send(a, answer_to(message, "poison"), 0.1, ground.executor)
    with Membership(ground.place) as members:
        members.revoke("a")
    ground.grid._looked = 0.0
    (answer,) = ground.grid.pull_messages([message_id])
    assert answer.has_error()
    assert answer.error.reason == SHUT_OUT
