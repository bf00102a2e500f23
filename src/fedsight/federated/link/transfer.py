"""Messages to nodes taken apart into objects and handed in, and answers put together again."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import Executor
from typing import Any, cast

from flwr.app import Error, Message, Metadata
from flwr.app.message import make_message, remove_content_from_message
from flwr.common.constant import SUPERLINK_NODE_ID, ErrorCode
from flwr.common.serde import message_to_proto
from flwr.proto.message_pb2 import (
    ConfirmMessageReceivedRequest,
    ConfirmMessageReceivedResponse,
    ObjectTree,
    PullObjectRequest,
    PullObjectResponse,
    PushObjectRequest,
    PushObjectResponse,
)
from flwr.proto.node_pb2 import Node
from flwr.proto.runtime_pb2 import PushAppMessagesRequest, PushAppMessagesResponse
from flwr.supercore.constant import SYSTEM_MESSAGE_TYPE
from flwr.supercore.inflatable.inflatable_object import (
    InflatableObject,
    get_all_nested_objects,
    get_object_tree,
    iterate_object_tree,
    no_object_id_recompute,
)
from flwr.supercore.inflatable.inflatable_utils import inflate_object_from_contents

from fedsight.errors import told
from fedsight.federated.link.caller import Caller
from fedsight.federated.link.submission import RUNTIME
from fedsight.federated.link.wire import AwayError

_SERVER = Node(node_id=SUPERLINK_NODE_ID)

#: The parts of an answer that was announced as whole are there, or will never be.
UNAVAILABLE_SECONDS = 5.0
UNAVAILABLE_PAUSE = 0.05


class UnreadableError(Exception):
    """An answer that cannot be put together; the message says why."""


def push(caller: Caller, executor: Executor, run_id: int, messages: Sequence[Message]) -> list[str]:
    """Hand messages in; their ids in order, "" for one that was not taken.

    What they have in common is sent once. Raises AwayError or RejectedError; may be tried again.
    """
    objects: dict[str, InflatableObject] = {}
    heads, trees = [], []
    with no_object_id_recompute():
        for message in messages:
            _stamp(message, run_id)
            message.metadata.__dict__["_message_id"] = message.object_id
            heads.append(message_to_proto(remove_content_from_message(message)))
            trees.append(get_object_tree(message))
            objects.update(get_all_nested_objects(message))
        request = PushAppMessagesRequest(messages_list=heads, message_object_trees=trees)
        taken = caller.once(f"{RUNTIME}/push-messages", request, PushAppMessagesResponse)
        wanted = set(taken.objects_to_push)
        sent = [
            executor.submit(_push_object, caller, run_id, taken.session_id, each, objects[each])
            for each in objects
            if each in wanted
        ]
        for one in sent:
            one.result()
    return list(taken.message_ids)


def _stamp(message: Message, run_id: int) -> None:
    """The run that goes on now, whichever it was when the message was made."""
    message.metadata.__dict__["_run_id"] = run_id
    message.metadata.__dict__["_src_node_id"] = SUPERLINK_NODE_ID


def _push_object(
    caller: Caller, run_id: int, session: str, object_id: str, held: InflatableObject
) -> None:
    request = PushObjectRequest(
        node=_SERVER,
        run_id=run_id,
        object_id=object_id,
        object_content=held.deflate(),
        session_id=session,
    )
    if not caller.once(f"{RUNTIME}/push-object", request, PushObjectResponse).stored:
        raise AwayError("it did not store a part of a message", answered=True)


def pull(
    caller: Caller, executor: Executor, run_id: int, head: Any, tree: ObjectTree
) -> tuple[Message, int]:
    """An answer whole, and its bytes. Raises UnreadableError, AwayError or RejectedError."""
    message_id = head.metadata.message_id
    wanted = list(dict.fromkeys(each.object_id for each in iterate_object_tree(tree)))
    fetched = executor.map(lambda each: _pull_object(caller, run_id, each), wanted)
    contents = dict(zip(wanted, fetched, strict=True))
    request = ConfirmMessageReceivedRequest(
        node=_SERVER, run_id=run_id, message_object_id=message_id
    )
    caller.once(f"{RUNTIME}/confirm-message-received", request, ConfirmMessageReceivedResponse)
    size = sum(map(len, contents.values()))
    return inflated(message_id, contents), size


def inflated(message_id: str, contents: dict[str, bytes]) -> Message:
    """The message that these objects make. Raises UnreadableError."""
    try:
        message = cast(Message, inflate_object_from_contents(message_id, contents))
        message.metadata.__dict__["_message_id"] = message_id
    except Exception as error:  # a node sends what it likes: each part of it may be wrong
        raise UnreadableError(f"the answer cannot be read: {told(error)}") from error
    return message


def _pull_object(caller: Caller, run_id: int, object_id: str) -> bytes:
    request = PullObjectRequest(node=_SERVER, run_id=run_id, object_id=object_id)
    deadline = time.monotonic() + UNAVAILABLE_SECONDS
    while True:
        found = caller.once(f"{RUNTIME}/pull-object", request, PullObjectResponse)
        if found.object_available:
            return found.object_content
        if not found.object_found or time.monotonic() >= deadline:
            raise UnreadableError("a part of the answer was never sent")
        time.sleep(UNAVAILABLE_PAUSE)


def failure(run_id: int, node_id: int, message_id: str, reason: str) -> Message:
    """An error in the place of a node's answer to a message."""
    metadata = Metadata(
        run_id=run_id,
        message_id="",
        src_node_id=node_id,
        dst_node_id=SUPERLINK_NODE_ID,
        message_type=SYSTEM_MESSAGE_TYPE,
        group_id="",
        ttl=0,
        reply_to_message_id=message_id,
        created_at=time.time(),
    )
    return make_message(metadata=metadata, error=Error(ErrorCode.MESSAGE_UNAVAILABLE, reason))
