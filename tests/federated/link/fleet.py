"""Nodes for tests: threads that speak Flower's Fleet API with Flower's own client."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from flwr.app import ConfigRecord, Message, RecordDict
from flwr.supercore.inflatable.inflatable_object import (
    get_all_nested_objects,
    get_object_tree,
    iterate_object_tree,
    no_object_id_recompute,
)
from flwr.supercore.inflatable.inflatable_utils import (
    inflate_object_from_contents,
    pull_objects,
    push_objects,
)
from flwr.supernode.fleet_http_connection import http_request_response

Answer = Callable[[Message], RecordDict]


def echo(message: Message) -> RecordDict:
    """The content as it came."""
    return message.content


def introducing(name: str, partition: int, then: Answer = echo) -> Answer:
    """A node that says who it is when asked, and does `then` with everything else."""

    def answer(message: Message) -> RecordDict:
        if message.metadata.message_type != "query":
            return then(message)
        said = {"name": name, "partition-id": partition, "kind": "warm", "tags": "a, b"}
        return RecordDict({"node": ConfigRecord({**said, "cpu-count": 2})})

    return answer


class Node:
    """One node in a thread. `seen` are the types of messages that it took."""

    def __init__(self, address: str, answer: Answer, keys: Any, root: bytes | None) -> None:
        self.node_id = 0
        self.seen: list[str] = []
        self.runs: list[int] = []
        self._answer = answer
        self._stop = threading.Event()
        self._ready = threading.Event()
        self._arguments = (address, root is None, root, keys)
        self._thread = threading.Thread(target=self._loop, daemon=True)

    def start(self) -> Node:
        self._thread.start()
        assert self._ready.wait(20)
        return self

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(20)

    def _loop(self) -> None:
        with http_request_response(*self._arguments) as calls:
            self.node_id = calls[0]
            self._ready.set()
            while not self._stop.is_set():
                if not self._turn(*calls[1:]):
                    time.sleep(0.02)

    def _turn(self, receive, send, _run, _fab, pull, push, confirm) -> bool:  # type: ignore[no-untyped-def]
        found = receive()
        if found is None:
            return False
        head, tree = found
        run_id, message_id = head.metadata.run_id, head.metadata.message_id
        ids = [each.object_id for each in iterate_object_tree(tree)]
        contents = pull_objects(ids, pull_object_fn=lambda each: pull(run_id, each))
        confirm(run_id, message_id)
        message: Any = inflate_object_from_contents(message_id, contents)
        message.metadata.__dict__["_message_id"] = message_id
        self.seen.append(message.metadata.message_type)
        self.runs.append(run_id)
        reply = Message(self._answer(message), reply_to=message)
        with no_object_id_recompute():
            reply.metadata.__dict__["_message_id"] = reply.object_id
            objects = get_all_nested_objects(reply)
            wanted, session = send(reply, get_object_tree(reply), 0.0)
            push_objects(
                objects,
                push_object_fn=lambda each, content: push(run_id, session, each, content),
                object_ids_to_push=wanted,
            )
        return True


@contextmanager
def nodes(
    address: str, *answers: Answer, keys: Any = None, root: bytes | None = None
) -> Iterator[list[Node]]:
    """Nodes that are online until the end of the block."""
    begun = [Node(address, answer, keys, root).start() for answer in answers]
    try:
        yield begun
    finally:
        for node in begun:
            node.stop()
