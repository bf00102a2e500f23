"""A message on its way: its objects fetched and put together, an answer's taken apart and sent."""

from __future__ import annotations

import time
from concurrent.futures import Executor
from dataclasses import dataclass

from flwr.app import Message
from flwr.app.message import remove_content_from_message
from flwr.common.serde import message_to_proto
from flwr.proto.message_pb2 import Message as ProtoMessage
from flwr.proto.message_pb2 import ObjectTree
from flwr.supercore.inflatable.inflatable_object import iterate_object_tree

from fedsight.federated.link.fleet_client import FleetClient, RunOverError
from fedsight.federated.link.objects import TakenApart, put_together, taken_apart

#: A content that was announced is there within milliseconds, or its sender has died.
UNAVAILABLE_SECONDS = 60.0
LOOK_AGAIN_SECONDS = 0.05


@dataclass(frozen=True)
class Parcel:
    """An answer ready to be sent: its head, and its content taken apart."""

    head: ProtoMessage
    content: TakenApart


def received(
    client: FleetClient, head: ProtoMessage, tree: ObjectTree, executor: Executor
) -> Message:
    """The message whole. Raises as the client does; RunOverError where its content is gone."""
    run_id, message_id = head.metadata.run_id, tree.object_id
    wanted = list(dict.fromkeys(one.object_id for one in iterate_object_tree(tree)))
    fetched = executor.map(lambda one: _pulled(client, run_id, one), wanted)
    contents = dict(zip(wanted, fetched, strict=True))
    client.confirm(run_id, message_id)
    return put_together(message_id, contents)


def _pulled(client: FleetClient, run_id: int, object_id: str) -> memoryview:
    deadline = time.monotonic() + UNAVAILABLE_SECONDS
    while (content := client.pull(run_id, object_id)) is None:
        if time.monotonic() > deadline:
            raise RunOverError(f"a part of the message has not come in {UNAVAILABLE_SECONDS:.0f} s")
        time.sleep(LOOK_AGAIN_SECONDS)
    return content


def packed(answer: Message) -> Parcel:
    """An answer taken apart; its arrays may not change until it is sent."""
    (content,) = taken_apart([answer])
    return Parcel(message_to_proto(remove_content_from_message(answer)), content)


def send(client: FleetClient, parcel: Parcel, seconds: float, executor: Executor) -> None:
    """Send an answer, from the beginning.

    May be tried again: what the SuperLink has of it, it does not ask for anew.
    """
    wanted, session = client.push(parcel.head, parcel.content.tree, seconds)
    run_id, objects = parcel.head.metadata.run_id, parcel.content.objects

    def push(object_id: str) -> None:
        client.push_object(run_id, session, object_id, objects[object_id])

    for _ in executor.map(push, [one for one in objects if one in wanted]):
        pass
