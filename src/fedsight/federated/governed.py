"""`Governed`: policy decides whether a run and its rounds begin, who trains, and what counts.

    Governed(Checked(Observed(Selected(algorithms.strategy(plan)))), governance)

Around any strategy. Who is refused is hidden from the strategy inside, with the reason why; an
update that is refused becomes `Refused`, as one that cannot be averaged in.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import replace
from typing import Any, ClassVar, Protocol, cast

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
from fedsight.federated.rounds.control import DeniedError
from fedsight.federated.rounds.engine import Evaluate
from fedsight.federated.rounds.exchange import Missed
from fedsight.federated.runs.state import State
from fedsight.federated.selection import Limit
from fedsight.federated.wrapping import UPDATE_REJECTED, Refused, Wrapper

#: Checks an answer before policy does: `Checked.check`, where that is inside.
Check = Callable[[Message], Message]


class Permitted(OnlyThese):
    """A grid that shows the nodes that may train; the others are away, with the reason why. `limit`
    is how many of them may at once."""

    def __init__(
        self,
        grid: Grid,
        nodes: Sequence[NodeView],
        refused: Mapping[int, str],
        limit: Limit | None = None,
    ) -> None:
        self._limit = limit
        self._views = [
            replace(node, online=False, away=refused[node.node_id])
            if node.node_id in refused
            else node
            for node in nodes
        ]
        super().__init__(grid, [node.node_id for node in self._views if node.online])

    @property
    def limit(self) -> Limit | None:
        """See `selection.Limited`."""
        return self._limit

    def nodes(self) -> list[NodeView]:
        """See `Fleet`."""
        return self._views

    def turn(self, message_id: str) -> Any:
        """See `Timed`."""
        return self._grid.turn(message_id) if isinstance(self._grid, Timed) else None


class Answers(Protocol):
    """What a round's loop knows of answers that are not there yet: `rounds.Engine`."""

    @property
    def busy(self) -> set[int]:
        """Nodes that still owe one."""

    @property
    def missed(self) -> Mapping[int, Missed]:
        """Nodes of this round whose answers are waited for no longer: by what."""


class NoneOwed:
    """`Answers` of a loop in which every round ends with all its answers."""

    busy: ClassVar[set[int]] = set()
    missed: ClassVar[Mapping[int, Missed]] = {}


class Governed(Wrapper):
    """The strategy inside, governed. Its state is what `nextRound` is asked with. `Stateful`.

    A run or a round that is refused ends the run with DeniedError, which says why. `check` is
    what a round's loop may ask of each answer, before it counts it. `answers` says whose answers
    are still to come, where rounds close without them or do not wait for them.
    """

    def __init__(
        self,
        inner: Strategy,
        governance: Governance,
        *,
        check: Check | None = None,
        answers: Answers | None = None,
    ) -> None:
        super().__init__(inner)
        self._governance = governance
        inside = getattr(inner, "check", None)
        self._first: Check = check or inside or (lambda answer: answer)
        self._answers = answers or NoneOwed()
        self._begun = False
        self._round = 0
        self._given: dict[int, Vector] = {}
        self._names: dict[int, str] = {}
        self._asked: dict[int, str] = {}
        self._seen: dict[tuple[int, str], Message] = {}
        self._evaluating: dict[int, str | None] = {}
        self._refused: frozenset[int] = frozenset()

    @property
    def refused(self) -> Set[int]:
        """Whom policy did not let train when it was last asked."""
        return self._refused

    def configure_train(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> Iterable[Message]:
        self._round, self._seen, self._evaluating = server_round, {}, {}
        self._asked = self._training()
        if not self._begun:
            self._stop(self._governance.may_start(server_round))
            self._begun = True
        nodes = _nodes(grid)
        refused = self._governance.refused([node for node in nodes if node.online], server_round)
        self._refused = frozenset(refused)
        may = sum(node.online and node.node_id not in refused for node in nodes)
        going = len(self._asked)
        self._stop(self._governance.may_go_on(server_round, may + going))
        limit = self._governance.limit(may + going)
        if limit is not None:
            limit = limit._replace(most=max(0, limit.most - going))
        shown = Permitted(grid, nodes, refused, limit)
        messages = list(self.inner.configure_train(server_round, arrays, config, shown))
        messages = _within(messages, limit, server_round)
        self._stop(self._governance.may_train(server_round, len(messages) + going))
        self._ask(messages, nodes, codec.unpack(arrays))
        return messages

    def _training(self) -> dict[int, str]:
        """Who was asked in a round before and trains on, where rounds do not wait for all."""
        going = self._answers.busy - self._answers.missed.keys()
        return {node_id: name for node_id, name in self._asked.items() if node_id in going}

    def _ask(self, messages: list[Message], nodes: Sequence[NodeView], model: Vector) -> None:
        """Remember who was given which model."""
        self._names |= {node.node_id: node.name for node in nodes}
        chosen = [message.metadata.dst_node_id for message in messages]
        self._asked |= {node_id: self._name(node_id) for node_id in chosen}
        owed = self._answers.busy | self._asked.keys()
        self._given = {one: given for one, given in self._given.items() if one in owed}
        self._given |= dict.fromkeys(chosen, model)

    def _name(self, node_id: int) -> str:
        return self._names.get(node_id, str(node_id))

    def _stop(self, refusal: str | None) -> None:
        if refusal is not None:
            raise DeniedError(refusal)

    def aggregate_train(
        self, server_round: int, replies: Iterable[Message]
    ) -> tuple[ArrayRecord | None, MetricRecord | None]:
        found = self.inner.aggregate_train(server_round, self._judged(replies))
        answers = {sender: reply for (sender, _), reply in self._seen.items()}
        training = self._training()
        over = {one: name for one, name in self._asked.items() if one not in training}
        self._asked = training
        self._governance.learn(server_round, over, answers, self._answers.missed)
        return found

    def configure_evaluate(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> Iterable[Message]:
        messages = list(self.inner.configure_evaluate(server_round, arrays, config, grid))
        if not messages:
            return messages
        asked = {message.metadata.dst_node_id for message in messages}
        may = set(self.may_evaluate([one for one in _nodes(grid) if one.node_id in asked]))
        return [message for message in messages if message.metadata.dst_node_id in may]

    def may_evaluate(self, nodes: Sequence[NodeView]) -> list[int]:
        """Which of the nodes may evaluate in this round; each is asked for once."""
        new = [node for node in nodes if node.node_id not in self._evaluating]
        if new:
            refused = self._governance.refused(new, self._round, "evaluate")
            self._evaluating |= {node.node_id: refused.get(node.node_id) for node in new}
        return [node.node_id for node in nodes if self._evaluating[node.node_id] is None]

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
        model = self._given.get(sender)
        update = None if model is None else _update(reply, model)
        if model is None or update is None:
            return Refused(reply, "update not readable: policy takes no update it cannot measure")
        size = codec.content_bytes(reply.content)
        norm = _norm(update)
        name = self._name(sender)
        refusal = self._governance.refuses_update(
            sender, name, self._round, size, norm, samples(reply)
        )
        if refusal is not None:
            return Refused(reply, refusal, readable=True)
        bound = self._governance.longest(name)
        if bound is not None and norm > bound:
            return _clipped(reply, model, update, bound / norm)
        return reply

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


def _within(messages: list[Message], limit: Limit | None, round: int) -> list[Message]:
    """Of a strategy that knows no limit, so many of its messages, drawn anew each round."""
    if limit is None or len(messages) <= limit.most:
        return messages
    drawn = random.Random(round).sample(range(len(messages)), limit.most)
    return [messages[at] for at in sorted(drawn)]


def _update(reply: Message, model: Vector) -> Vector | None:
    """What the node changed of the model that it was given; None where that cannot be read."""
    try:
        vector = codec.unpack(cast(ArrayRecord, reply.content[codec.ARRAYS]))
    except (KeyError, ValueError):
        return None
    if vector.shape != model.shape:
        return None
    update: Vector = vector - model
    return update if math.isfinite(float(np.dot(update, update))) else None


def _norm(update: Vector) -> float:
    """Its length. Not by `linalg.norm`: BLAS threads of doubles spin on for a while on the cores
    that train next, which made a governed round take twice as long."""
    return math.sqrt(np.einsum("i,i->", update, update, dtype=np.float64))


def samples(reply: Message) -> int | None:
    """How many samples an answer says it stands for, whole ones; None where it does not."""
    metrics = reply.content.get(METRICS)
    count = metrics.get(NUM_EXAMPLES) if isinstance(metrics, MetricRecord) else None
    if isinstance(count, float):  # it weighs in the mean just as well
        return int(count) if math.isfinite(count) else None
    return count if isinstance(count, int) else None


def rejected(reply: Message) -> bool:
    """Whether an answer was refused here, rather than failed on its node."""
    return reply.has_error() and reply.error.code == UPDATE_REJECTED


def _clipped(reply: Message, model: Vector, update: Vector, factor: float) -> Message:
    """The answer with its update shortened."""
    shorter = model + update * np.float32(factor)
    reply.content[codec.ARRAYS] = codec.pack(cast(Vector, shorter.astype(model.dtype)))
    return reply
