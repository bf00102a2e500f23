"""Messages to nodes taken apart into objects and handed in, and answers put together again."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import Any

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
from flwr.supercore.inflatable.inflatable_object import iterate_object_tree

from fedsight.errors import told
from fedsight.federated.codec import array_bytes
from fedsight.federated.link.caller import Caller
from fedsight.federated.link.frames import content_of, with_content
from fedsight.federated.link.objects import (
    Pieces,
    arrays_of,
    put_together,
    taken_apart,
)
from fedsight.federated.link.submission import RUNTIME
from fedsight.federated.link.wire import AwayError

_SERVER = Node(node_id=SUPERLINK_NODE_ID)

#: One `pull` takes in objects for so long, so many together; the next goes on where it ended.
PULL_SECONDS = 1.0
TOGETHER = 32
#: An answer is at most so large, or this many times as large as what nodes were sent.
MOST_ANSWER_BYTES, MOST_TIMES = 2**28, 4

#: Different arrays of messages that are handed in together, in memory at once.
MOST_BYTES_A_PUSH = 2**27


class UnreadableError(Exception):
    """An answer that cannot be put together; the message says why."""


@dataclass
class Arriving:
    """An answer that was announced: its head, the tree of its objects, and what has come so far."""

    head: Any
    tree: ObjectTree
    contents: dict[str, memoryview] = field(default_factory=dict)


def push(caller: Caller, executor: Executor, run_id: int, messages: Sequence[Message]) -> list[str]:
    """Hand messages in; their ids in order, "" for one that was not taken.

    What they have in common is sent once; not more is held at a time than a few of their arrays.
    Raises AwayError or RejectedError; may be tried again.
    """
    ids: list[str] = []
    for group in _groups(messages):
        for message in group:
            _stamp(message, run_id)
        ids += _push(caller, executor, run_id, group)
    return ids


def _push(
    caller: Caller, executor: Executor, run_id: int, messages: Sequence[Message]
) -> list[str]:
    parcels = taken_apart(messages)
    request = PushAppMessagesRequest(
        messages_list=[message_to_proto(remove_content_from_message(each)) for each in messages],
        message_object_trees=[parcel.tree for parcel in parcels],
    )
    taken = caller.once(f"{RUNTIME}/push-messages", request, PushAppMessagesResponse)
    objects = {key: held for parcel in parcels for key, held in parcel.objects.items()}
    sent = [
        executor.submit(_push_object, caller, run_id, taken.session_id, each, objects[each])
        for each in taken.objects_to_push
    ]
    for one in sent:
        one.result()
    return list(taken.message_ids)


def _groups(messages: Sequence[Message]) -> Iterator[list[Message]]:
    """Messages in order, few enough at a time that their different arrays fit in memory."""
    group: list[Message] = []
    size, counted = 0, set[int]()
    for message in messages:
        if size >= MOST_BYTES_A_PUSH:
            yield group
            group, size, counted = [], 0, set()
        group.append(message)
        fresh = {id(each): each for each in arrays_of(message) if id(each) not in counted}
        size += sum(map(array_bytes, fresh.values()))
        counted |= fresh.keys()
    if group:
        yield group


def largest(messages: Iterable[Message]) -> int:
    """Bytes of the arrays of the message that has most of them."""
    return max((sum(map(array_bytes, arrays_of(each))) for each in messages), default=0)


def _stamp(message: Message, run_id: int) -> None:
    """The run that goes on now, whichever it was when the message was made."""
    message.metadata.__dict__["_run_id"] = run_id
    message.metadata.__dict__["_src_node_id"] = SUPERLINK_NODE_ID


def _push_object(caller: Caller, run_id: int, session: str, object_id: str, pieces: Pieces) -> None:
    request = PushObjectRequest(
        node=_SERVER, run_id=run_id, object_id=object_id, session_id=session
    )
    body = with_content(
        request.SerializeToString(), PushObjectRequest.OBJECT_CONTENT_FIELD_NUMBER, pieces
    )
    answer = PushObjectResponse.FromString(caller.send(f"{RUNTIME}/push-object", body))
    if not answer.stored:
        raise AwayError("it did not store a part of a message", answered=True)


def pull(
    caller: Caller,
    executor: Executor,
    run_id: int,
    answer: Arriving,
    most_bytes: int = MOST_ANSWER_BYTES,
) -> tuple[Message, int] | None:
    """An answer whole, and its bytes; None while parts of it are on their way, or where all of it
    is not taken in at once: ask again.

    Raises UnreadableError, AwayError or RejectedError.
    """
    message_id, contents = answer.head.metadata.message_id, answer.contents
    if not _pull_objects(caller, executor, run_id, answer, most_bytes):
        return None
    request = ConfirmMessageReceivedRequest(
        node=_SERVER, run_id=run_id, message_object_id=message_id
    )
    caller.once(f"{RUNTIME}/confirm-message-received", request, ConfirmMessageReceivedResponse)
    size = sum(map(len, contents.values()))
    try:
        return put_together(message_id, contents), size
    except Exception as error:  # a node sends what it likes: each part of it may be wrong
        raise UnreadableError(f"the answer cannot be read: {told(error)}") from error


def _pull_objects(
    caller: Caller, executor: Executor, run_id: int, answer: Arriving, most_bytes: int
) -> bool:
    """Fetch what is there; whether all is. Nothing more is asked where the next is not there."""
    wanted = dict.fromkeys(each.object_id for each in iterate_object_tree(answer.tree))
    missing = [each for each in wanted if each not in answer.contents]
    began = time.monotonic()
    later = (missing[at : at + TOGETHER] for at in range(1, len(missing), TOGETHER))
    for some in (missing[:1], *later):
        if time.monotonic() - began > PULL_SECONDS:
            return False
        fetched = executor.map(lambda each: _pull_object(caller, run_id, each), some)
        for object_id, content in zip(some, fetched, strict=True):
            if content is not None:
                answer.contents[object_id] = content
        if any(each not in answer.contents for each in some):
            return False
        if sum(map(len, answer.contents.values())) > most_bytes:
            raise UnreadableError(f"the answer is larger than {most_bytes} bytes")
    return True


def _pull_object(caller: Caller, run_id: int, object_id: str) -> memoryview | None:
    """An object's content; None where it has not come yet."""
    request = PullObjectRequest(node=_SERVER, run_id=run_id, object_id=object_id)
    body = request.SerializeToString()
    answer = caller.send(f"{RUNTIME}/pull-object", body)
    rest, content = content_of(answer, PullObjectResponse.OBJECT_CONTENT_FIELD_NUMBER)
    found = PullObjectResponse.FromString(rest)
    if not found.object_found:
        raise UnreadableError("a part of the answer was never sent")
    return content if found.object_available else None


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
