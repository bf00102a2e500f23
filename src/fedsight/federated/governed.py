"""`Governed`: policy decides whether a run and its rounds begin, who trains, and what counts.

    Governed(Checked(Observed(Selected(algorithms.strategy(plan)))), governance)

Around any strategy. Who is refused is hidden from the strategy inside, with the reason why; an
update that is refused becomes `Refused`, as one that cannot be averaged in.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import replace
from typing import Any, ClassVar, Protocol

from flwr.app import ArrayRecord, ConfigRecord, Message, MetricRecord
from flwr.serverapp import Grid
from flwr.serverapp.strategy import Strategy

from fedsight.federated import codec
from fedsight.federated.flat import Vector
from fedsight.federated.fleet import Fleet, NodeView, Timed
from fedsight.federated.governance import Denial, Governance, Update
from fedsight.federated.measured import Measured, norm_of, samples
from fedsight.federated.narrowed import OnlyThese
from fedsight.federated.refusals import MOST_NAMED, left_out
from fedsight.federated.rounds.control import DeniedError, TooFewError
from fedsight.federated.rounds.engine import Evaluate
from fedsight.federated.rounds.exchange import Missed
from fedsight.federated.runs.state import State
from fedsight.federated.selection import Limit
from fedsight.federated.wrapping import Refused, Wrapper

#: Checks an answer before policy does: `Checked.check`, where that is inside.
Check = Callable[[Message], Message]

#: So many answers, and so many bytes of updates, wait at most to be judged together.
MOST_HELD, MOST_HELD_BYTES = 100, 16 * 2**20

#: The node that sent an answer, and the message that it answers.
_Key = tuple[int, str]


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

    @property
    def patience(self) -> float:
        """For how many seconds a round may wait for nodes that are not there."""


class NoneOwed:
    """`Answers` of a loop in which every round ends with all its answers."""

    busy: ClassVar[set[int]] = set()
    missed: ClassVar[Mapping[int, Missed]] = {}
    patience: ClassVar[float] = 0.0


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
        self._patient: float | None = None
        self._round = 0
        self._given: dict[int, Vector] = {}
        self._names: dict[int, str] = {}
        self._asked: dict[int, str] = {}
        self._seen: dict[_Key, Message] = {}
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
        self._begin(nodes, refused, may + going)
        limit = self._governance.limit(may + going)
        if limit is not None:
            limit = limit._replace(most=max(0, limit.most - going))
        shown = Permitted(grid, nodes, refused, limit)
        messages = list(self.inner.configure_train(server_round, arrays, config, shown))
        messages = _within(messages, limit, server_round)
        self._stop(self._governance.may_train(len(messages) + going))
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

    def _begin(self, nodes: Sequence[NodeView], refused: Mapping[int, str], clients: int) -> None:
        """Raise DeniedError where the round may not begin with so many clients, TooFewError where
        it may with nodes that are away, which are waited for then."""
        denial = self._governance.may_go_on(self._round, clients)
        if denial is None:
            self._patient = None
            return
        away = [
            node
            for node in nodes
            if not node.online and node.refused is None and node.node_id not in self._asked
        ]
        if away and self._answers.patience > 0:
            self._await(away, denial, clients)
        self._stop(denial._replace(message=f"{denial.message}{left_out(nodes, refused)}"))

    def _await(self, away: Sequence[NodeView], denial: Denial, clients: int) -> None:
        """Raise TooFewError where the round may begin once nodes that are away are there, for as
        long as they may be waited for."""
        refused = self._governance.refused(away, self._round)
        awaited = [node for node in away if node.node_id not in refused]
        if not awaited or not self._governance.could_go_on(self._round, clients + len(awaited)):
            return
        if self._patient is None:
            self._patient = time.monotonic() + self._answers.patience
        names = [node.name for node in awaited]
        whom = ", ".join(
            f"{node.name} ({node.away or 'not there'})" for node in awaited[:MOST_NAMED]
        )
        if time.monotonic() < self._patient:
            message = f"waiting for {whom}: {denial.message}"
            raise TooFewError(message, names, self._patient)
        waited = f"; waited {self._answers.patience:g} s for {whom}"
        hint = "start them again, or let the policy ask for fewer clients"
        self._stop(denial._replace(message=f"{denial.message}{waited}: {hint}"))

    def _stop(self, denial: Denial | None) -> None:
        if denial is not None:
            self._governance.deny(self._round, denial)
            raise DeniedError(denial.message)

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
        """The answers as they count, in order. They wait for one another, so that many are judged
        at once, as long as that takes little memory."""
        held, size = list[Message](), 0
        for reply in replies:
            held.append(reply)
            size += codec.content_bytes(reply.content) if reply.has_content() else 0
            if len(held) >= MOST_HELD or size >= MOST_HELD_BYTES:
                yield from self._checked(held)
                held, size = [], 0
        yield from self._checked(held)

    def check(self, reply: Message) -> Message:
        """The answer as it counts: `Refused` where policy does not take its update.

        Asked twice of one answer, the second time it is what it was.
        """
        return self._checked([reply])[0]

    def _checked(self, replies: Sequence[Message]) -> list[Message]:
        """Answers as they count, in order."""
        measured: dict[_Key, Measured] = {}
        for reply in replies:
            key = _key(reply)
            if key in self._seen or key in measured:
                continue
            checked = self._first(reply)
            found = checked if checked.has_error() else self._measured(checked)
            if isinstance(found, Measured):
                measured[key] = found
            else:
                self._seen[key] = found
        verdicts = self._governance.judge([one.update for one in measured.values()], self._round)
        for (key, one), verdict in zip(measured.items(), verdicts, strict=True):
            self._seen[key] = one.ruled(verdict)
        return [self._seen[_key(reply)] for reply in replies]

    def _measured(self, reply: Message) -> Measured | Message:
        sender = reply.metadata.src_node_id
        model = self._given.get(sender)
        norm = None if model is None else norm_of(reply, model)
        if model is None or norm is None:
            return Refused(reply, "update not readable: policy takes no update it cannot measure")
        size = codec.content_bytes(reply.content)
        update = Update(sender, self._name(sender), size, norm, samples(reply))
        return Measured(reply, model, update)

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


def _key(reply: Message) -> _Key:
    """What tells one answer from another."""
    return reply.metadata.src_node_id, reply.metadata.reply_to_message_id
