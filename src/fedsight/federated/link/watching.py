"""Reads from the calls of nodes and of training processes when each node did what."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from flwr.supercore.inflatable.inflatable_object import iterate_object_tree

from fedsight.federated.link.polls import Polls

ACTIVATE = "/v1/fleet/activate-node"


@dataclass(frozen=True)
class Said:
    """What a node's request says of itself: which of its processes makes it, and what it is called;
    "" where it does not."""

    life: str = ""
    name: str = ""


class Watching:
    """Told of every call that was answered, on the event loop."""

    def __init__(self, polls: Polls) -> None:
        self.polls = polls
        self.now = polls.now
        self._notes: dict[str, Callable[[Any, Any, int], None]] = {
            "/v1/runtime/push-messages": self._stored,
            "/v1/fleet/pull-messages": self._handed_over,
            "/v1/fleet/pull-object": self._fetched,
            "/v1/fleet/confirm-message-received": self._received,
            "/v1/fleet/push-messages": self._answer_began,
            "/v1/fleet/push-object": self._object_came,
        }

    def saw(
        self,
        path: str,
        request: Any,
        answer: Any,
        began: int,
        bytes_in: int,
        bytes_out: int,
        said: Said = Said(),
    ) -> None:
        """A call was answered; `began` is when its request had come, `said` what that said."""
        if path.startswith("/v1/fleet/"):
            node_id = _node_id(request, answer)
            self.polls.asked(node_id, bytes_in, said.life)
            self.polls.answered(node_id, bytes_out)
            if path == ACTIVATE:
                self.polls.went_online(node_id, said.life, said.name)
        note = self._notes.get(path)
        if note is not None:
            note(request, answer, began)

    def _stored(self, _: Any, answer: Any, __: int) -> None:
        for message_id in answer.message_ids:
            if message_id:
                self.polls.stored(message_id)

    def _handed_over(self, request: Any, answer: Any, _: int) -> None:
        node_id = request.node.node_id
        self.polls.polled(node_id)
        for message, tree in zip(answer.messages_list, answer.message_object_trees, strict=True):
            objects = frozenset(each.object_id for each in iterate_object_tree(tree))
            self.polls.handed_over(message.metadata.message_id, node_id, objects)

    def _fetched(self, request: Any, _: Any, __: int) -> None:
        self.polls.fetched(request.node.node_id, request.object_id)

    def _received(self, request: Any, _: Any, __: int) -> None:
        self.polls.received(request.message_object_id)

    def _answer_began(self, request: Any, answer: Any, began: int) -> None:
        told = request.messages_list[0].metadata.reply_to_message_id
        self.polls.answer_began(told, began, answer.session_id, len(answer.objects_to_push))

    def _object_came(self, request: Any, answer: Any, _: int) -> None:
        if answer.stored:
            self.polls.object_came(request.session_id)


def _node_id(request: Any, answer: Any) -> int:
    """Whose call it was; of one that registers, the id that it was given."""
    if hasattr(request, "node"):
        return int(request.node.node_id)
    return int(request.node_id if hasattr(request, "node_id") else answer.node_id)
