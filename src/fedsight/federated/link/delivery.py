"""A message on its way: its objects fetched and put together, an answer's taken apart and sent."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import cast

from flwr.app import Message
from flwr.app.message import remove_content_from_message
from flwr.common.serde import message_to_proto
from flwr.proto.message_pb2 import Message as ProtoMessage
from flwr.proto.message_pb2 import ObjectTree
from flwr.supercore.inflatable.inflatable_object import (
    InflatableObject,
    get_all_nested_objects,
    get_object_tree,
    iterate_object_tree,
    no_object_id_recompute,
)
from flwr.supercore.inflatable.inflatable_utils import inflate_object_from_contents

from fedsight.federated.link.fleet_client import FleetClient, RunOverError

#: A content that was announced is there within milliseconds, or its sender has died.
UNAVAILABLE_SECONDS = 60.0
LOOK_AGAIN_SECONDS = 0.05


@dataclass(frozen=True)
class Parcel:
    """An answer ready to be sent: its head, the tree of its objects, and the objects."""

    head: ProtoMessage
    tree: ObjectTree
    objects: dict[str, InflatableObject]


def received(
    client: FleetClient, head: ProtoMessage, tree: ObjectTree, executor: Executor
) -> Message:
    """The message whole. Raises as the client does; RunOverError where its content is gone."""
    run_id, message_id = head.metadata.run_id, tree.object_id
    wanted = list(dict.fromkeys(one.object_id for one in iterate_object_tree(tree)))
    contents = dict(
        zip(wanted, executor.map(lambda one: _pulled(client, run_id, one), wanted), strict=True)
    )
    client.confirm(run_id, message_id)
    message = cast(Message, inflate_object_from_contents(message_id, contents))
    message.metadata.__dict__["_message_id"] = message_id  # it does not stand in the content
    return message


def _pulled(client: FleetClient, run_id: int, object_id: str) -> bytes:
    deadline = time.monotonic() + UNAVAILABLE_SECONDS
    while (content := client.pull(run_id, object_id)) is None:
        if time.monotonic() > deadline:
            raise RunOverError(f"a part of the message has not come in {UNAVAILABLE_SECONDS:.0f} s")
        time.sleep(LOOK_AGAIN_SECONDS)
    return content


def packed(answer: Message) -> Parcel:
    """An answer taken apart; hashed once."""
    with no_object_id_recompute():
        answer.metadata.__dict__["_message_id"] = answer.object_id
        tree = get_object_tree(answer)
        objects = get_all_nested_objects(answer)
    return Parcel(message_to_proto(remove_content_from_message(answer)), tree, objects)


def send(client: FleetClient, parcel: Parcel, seconds: float, executor: Executor) -> int:
    """Send an answer, from the beginning; bytes of the objects that were asked for.

    May be tried again: what the SuperLink has of it, it does not ask for anew.
    """
    wanted, session = client.push(parcel.head, parcel.tree, seconds)
    run_id = parcel.head.metadata.run_id
    push: Callable[[str], int] = lambda one: _pushed(  # noqa: E731
        client, run_id, session, one, parcel.objects[one]
    )
    return sum(executor.map(push, [one for one in parcel.objects if one in wanted]))


def _pushed(
    client: FleetClient, run_id: int, session: str, object_id: str, content: InflatableObject
) -> int:
    deflated = content.deflate()
    client.push_object(run_id, session, object_id, deflated)
    return len(deflated)
