"""`Governed`: policy decides whether a run and its rounds begin, who trains, and what counts.

    Governed(Checked(Observed(Selected(algorithms.strategy(plan)))), governance)

Around any strategy. Who is refused is hidden from the strategy inside, with the reason why; an
update that is refused becomes `Refused`, as one that cannot be averaged in.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

import numpy as np
from flwr.app import ArrayRecord, ConfigRecord, Message, MetricRecord
from flwr.serverapp import Grid
from flwr.serverapp.strategy import Strategy

from fedsight.federated import codec
from fedsight.federated.flat import Vector
from fedsight.federated.fleet import Fleet, NodeView, Timed
from fedsight.federated.governance import Governance
from fedsight.federated.narrowed import OnlyThese
from fedsight.federated.node.client import METRICS, NUM_EXAMPLES
from fedsight.federated.rounds.control import RunStoppedError
from fedsight.federated.rounds.engine import Evaluate
from fedsight.federated.runs.state import State
from fedsight.federated.wrapping import UPDATE_REJECTED, Refused, Wrapper

#: Checks an answer before policy does: `Checked.check`, where that is inside.
Check = Callable[[Message], Message]


class Permitted(OnlyThese):
    """A grid that shows the nodes that may train; the others are away, with the reason why."""

    def __init__(self, grid: Grid, nodes: Sequence[NodeView], refused: Mapping[int, str]) -> None:
        self._views = [
            replace(node, online=False, away=refused[node.node_id])
            if node.node_id in refused
            else node
            for node in nodes
        ]
        super().__init__(grid, [node.node_id for node in self._views if node.online])

    def nodes(self) -> list[NodeView]:
        """See `Fleet`."""
        return self._views

    def turn(self, message_id: str) -> Any:
        """See `Timed`."""
        return self._grid.turn(message_id) if isinstance(self._grid, Timed) else None


class Governed(Wrapper):
    """The strategy inside, governed. Its state is what `nextRound` is asked with. `Stateful`.

    A run or a round that is refused ends the run with RunStoppedError, which says why. `check` is
    what a round's loop may ask of each answer, before it counts it.
    """

    def __init__(
        self, inner: Strategy, governance: Governance, *, check: Check | None = None
    ) -> None:
        super().__init__(inner)
        self._governance = governance
        inside = getattr(inner, "check", None)
        self._first: Check = check or inside or (lambda answer: answer)
        self._begun = False
        self._round = 0
        self._global: Vector | None = None
        self._asked: dict[int, str] = {}
        self._seen: dict[tuple[int, str], Message] = {}

    def configure_train(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> Iterable[Message]:
        self._round, self._seen, self._asked = server_round, {}, {}
        if not self._begun:
            self._stop(self._governance.may_start(server_round))
            self._begun = True
        nodes = _nodes(grid)
        refused = self._governance.refused([node for node in nodes if node.online], server_round)
        may = sum(node.online and node.node_id not in refused for node in nodes)
        self._stop(self._governance.may_go_on(server_round, may))
        self._global = codec.unpack(arrays)
        shown = Permitted(grid, nodes, refused)
        messages = list(self.inner.configure_train(server_round, arrays, config, shown))
        names = {node.node_id: node.name for node in nodes}
        chosen = [message.metadata.dst_node_id for message in messages]
        self._asked = {node_id: names.get(node_id, str(node_id)) for node_id in chosen}
        return messages

    def _stop(self, refusal: str | None) -> None:
        if refusal is not None:
            raise RunStoppedError(refusal)

    def aggregate_train(
        self, server_round: int, replies: Iterable[Message]
    ) -> tuple[ArrayRecord | None, MetricRecord | None]:
        found = self.inner.aggregate_train(server_round, self._judged(replies))
        answers = {sender: reply for (sender, _), reply in self._seen.items()}
        self._governance.learn(server_round, self._asked, answers)
        return found

    def _judged(self, replies: Iterable[Message]) -> Iterator[Message]:
        for reply in replies:
            yield self.check(reply)

    def check(self, reply: Message) -> Message:
        """The answer as it counts: `Refused` where policy does not take its update.

        Asked twice of one answer, the second time it is what it was.
        """
        sender = reply.metadata.src_node_id
        key = (sender, reply.metadata.reply_to_message_id)
        known = self._seen.get(key)
        if known is not None:
            return known
        checked = self._first(reply)
        if not checked.has_error():
            checked = self._policed(checked, sender)
        self._seen[key] = checked
        return checked

    def _policed(self, reply: Message, sender: int) -> Message:
        update = self._update(reply)
        if update is None:
            return Refused(reply, "update not readable: policy takes no update it cannot measure")
        size = codec.content_bytes(reply.content)
        norm = float(np.linalg.norm(update.astype(np.float64)))
        name = self._asked.get(sender, str(sender))
        refusal = self._governance.refuses_update(
            sender, name, self._round, size, norm, samples(reply)
        )
        if refusal is not None:
            return Refused(reply, refusal, readable=True)
        bound = self._governance.bound("clip_norm")
        if bound is not None and self._global is not None and norm > bound:
            return _clipped(reply, self._global, update, bound / norm)
        return reply

    def _update(self, reply: Message) -> Vector | None:
        """What the node changed of the global model; None where that cannot be read."""
        try:
            vector = codec.unpack(cast(ArrayRecord, reply.content[codec.ARRAYS]))
        except (KeyError, ValueError):
            return None
        if self._global is None or vector.shape != self._global.shape:
            return None
        update: Vector = vector - self._global
        return update if math.isfinite(float(np.dot(update, update))) else None

    def evaluating(self, evaluate: Evaluate | None) -> Evaluate | None:
        """Learn from the server's evaluation whether the model got better."""
        inside = super().evaluating(evaluate)
        if inside is None:
            return None

        def watched(server_round: int, arrays: ArrayRecord) -> MetricRecord | None:
            metrics = inside(server_round, arrays)
            self._governance.evaluated({} if metrics is None else dict(metrics))
            return metrics

        return watched

    def state(self) -> State:
        """See `Stateful`."""
        return self._governance.state()

    def load(self, state: State) -> None:
        """See `Stateful`."""
        self._governance.load(state)


def _nodes(grid: Grid) -> list[NodeView]:
    if isinstance(grid, Fleet):
        return grid.nodes()
    return [NodeView(node_id, str(node_id)) for node_id in grid.get_node_ids()]


def samples(reply: Message) -> int | None:
    """How many samples an answer says it stands for, None where it does not."""
    metrics = reply.content.get(METRICS)
    count = metrics.get(NUM_EXAMPLES) if isinstance(metrics, MetricRecord) else None
    return count if isinstance(count, int) else None


def rejected(reply: Message) -> bool:
    """Whether an answer was refused here, rather than failed on its node."""
    return reply.has_error() and reply.error.code == UPDATE_REJECTED


def _clipped(reply: Message, model: Vector, update: Vector, factor: float) -> Message:
    """The answer with its update shortened."""
    shorter = model + update * np.float32(factor)
    reply.content[codec.ARRAYS] = codec.pack(cast(Vector, shorter.astype(model.dtype)))
    return reply
