"""What tests of the round loop share: answers, and a strategy that notes what it is given."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, cast

import numpy as np
from flwr.app import (
    ArrayRecord,
    ConfigRecord,
    Error,
    Message,
    MessageType,
    MetricRecord,
    RecordDict,
)
from flwr.serverapp import Grid
from flwr.serverapp.strategy import Strategy
from flwr.supercore.task_identity import TaskIdentity

from fedsight.federated import codec
from fedsight.federated.fleet import NodeView
from fedsight.federated.rounds.scripted import ScriptedGrid
from fedsight.signals import Json


def node(node_id: int, **more: Any) -> NodeView:
    return NodeView(node_id, f"client-{node_id}", node_id, "warm", **more)


def add_id(message: Message) -> Message:
    """The model it was sent, plus the node's id; one sample."""
    vector = codec.unpack(cast(ArrayRecord, message.content[codec.ARRAYS]))
    content = RecordDict()
    content[codec.ARRAYS] = codec.pack(vector + np.float32(message.metadata.dst_node_id))
    content["metrics"] = MetricRecord({"num-examples": 1})
    return Message(content, reply_to=message)


def failing(ids: set[int]) -> Callable[[Message], Message]:
    """Answers as `add_id`, but for those nodes, which fail."""

    def answer(message: Message) -> Message:
        if message.metadata.dst_node_id in ids:
            return Message(Error(1, "no memory"), reply_to=message)
        return add_id(message)

    return answer


def grid(count: int, **more: Any) -> ScriptedGrid:
    """Nodes 1 to `count`."""
    return ScriptedGrid(
        [node(at) for at in range(1, count + 1)], more.pop("answer", add_id), **more
    )


def to(node_id: int, value: float = 0.0) -> Message:
    TaskIdentity.run_id, TaskIdentity.node_id, TaskIdentity.task_id = 1, 1, 1
    content = RecordDict()
    content[codec.ARRAYS] = codec.pack(np.full(1, value, np.float32))
    return Message(content, node_id, MessageType.TRAIN)


def sender(message: Message) -> int:
    return message.metadata.src_node_id


def value(message: Message) -> float:
    return float(codec.unpack(cast(ArrayRecord, message.content[codec.ARRAYS]))[0])


class Mean(Strategy):
    """The plain mean of what comes, and a note of who it came from, round by round."""

    def __init__(self) -> None:
        self.senders: list[list[int]] = []
        self.shown: list[list[int]] = []

    def configure_train(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> list[Message]:
        ids = list(grid.get_node_ids())
        self.shown.append(ids)
        content = RecordDict()
        content[codec.ARRAYS] = arrays
        return [Message(content, node_id, MessageType.TRAIN) for node_id in ids]

    def aggregate_train(
        self, server_round: int, replies: Iterable[Message]
    ) -> tuple[ArrayRecord | None, MetricRecord | None]:
        good = [reply for reply in replies if not reply.has_error()]
        self.senders.append([sender(reply) for reply in good])
        if not good:
            return None, None
        return codec.pack(np.full(1, np.mean([value(one) for one in good]), np.float32)), None

    def configure_evaluate(self, *_: Any) -> list[Message]:
        return []

    def aggregate_evaluate(self, *_: Any) -> None:
        return None

    def summary(self) -> None:
        """Nothing."""


class Said:
    """Notes the events that it is told."""

    def __init__(self) -> None:
        self.events: list[tuple[str, int | None, str | None, dict[str, Json]]] = []

    def __call__(
        self,
        kind: str,
        details: dict[str, Json],
        *,
        round: int | None = None,
        node: str | None = None,
    ) -> None:
        self.events.append((kind, round, node, details))

    def kinds(self) -> list[str]:
        return [kind for kind, *_ in self.events]
