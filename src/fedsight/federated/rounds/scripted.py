"""A grid whose nodes answer by a script: the fake that tests of the round loop use.

Time does not pass in it by itself: an answer is there once it has been asked for often enough.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from flwr.app import Message, RecordDict
from flwr.serverapp import Grid
from flwr.supercore.run import Run
from flwr.supercore.task_identity import TaskIdentity

from fedsight.federated.fleet import NodeView, RoundLostError

#: Makes a node's answer to a message.
Answer = Callable[[Message], Message]


@dataclass
class ScriptedGrid(Grid):
    """`after` says at which look a node's answer is there: 1 is the first, None never.

    `views` are the nodes, and may be changed by the test between looks, `losses` how many looks
    raise RoundLostError first.
    """

    views: list[NodeView]
    answer: Answer
    after: Mapping[int, int | None] = field(default_factory=dict)
    losses: int = 0
    looks: int = 0
    pushed: list[list[int]] = field(default_factory=list)
    _open: dict[str, tuple[Message, int | None]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        TaskIdentity.run_id, TaskIdentity.node_id, TaskIdentity.task_id = 1, 1, 1

    def nodes(self) -> list[NodeView]:
        """See `Fleet`."""
        return self.views

    def get_node_ids(self) -> list[int]:
        return [node.node_id for node in self.views]

    def push_messages(self, messages: Iterable[Message]) -> list[str]:
        asked = list(messages)
        self.pushed.append([message.metadata.dst_node_id for message in asked])
        ids = []
        for at, message in enumerate(asked):
            node_id = message.metadata.dst_node_id
            message_id = f"{len(self.pushed)}.{at}"
            message.metadata.__dict__["_message_id"] = message_id
            wait = self.after.get(node_id, 1)
            self._open[message_id] = (message, None if wait is None else self.looks + wait)
            ids.append(message_id)
        return ids

    def pull_messages(self, message_ids: Iterable[str]) -> list[Message]:
        self.looks += 1
        if self.losses:
            self.losses -= 1
            self._open.clear()
            raise RoundLostError("the SuperLink was started anew")
        wanted = set(message_ids)
        ready = [
            message_id
            for message_id, (_, due) in self._open.items()
            if message_id in wanted and due is not None and due <= self.looks
        ]
        return [self.answer(self._open.pop(message_id)[0]) for message_id in ready]

    def send_and_receive(
        self, messages: Iterable[Message], *, timeout: float | None = None
    ) -> Sequence[Message]:
        return self.pull_messages(self.push_messages(messages))

    def set_run(self, run: Run) -> None:
        """It has no run."""

    @property
    def run(self) -> Run:
        raise RuntimeError("a scripted grid has no Flower run")

    def create_message(
        self,
        content: RecordDict,
        message_type: str,
        dst_node_id: int,
        group_id: str,
        ttl: float | None = None,
    ) -> Message:
        return Message(content, dst_node_id, message_type, ttl=ttl, group_id=group_id)
