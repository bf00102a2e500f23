"""`Observed`: journals what every round and every node of it did, around any strategy."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import cast

from flwr.app import ArrayRecord, ConfigRecord, Message, MetricRecord, RecordDict
from flwr.serverapp import Grid
from flwr.serverapp.strategy import Strategy

from fedsight.federated import codec
from fedsight.federated.clock import Clock
from fedsight.federated.fleet import Timed
from fedsight.federated.node import client
from fedsight.federated.observation import NodeRound, Period, RoundRecord
from fedsight.federated.rounds.engine import Evaluate
from fedsight.federated.scrutiny import Scrutiny
from fedsight.federated.validation import validation_of
from fedsight.federated.wrapping import UPDATE_REJECTED, Refused, Wrapper

#: The figures of the server's evaluation that a round keeps.
ACCURACY = "accuracy"
LOSS = "loss"


class Observed(Wrapper):
    """Watches rounds go by and hands each one, whole, to `on_round`.

    A round runs from choosing its nodes to the server's evaluation. Only what was measured is
    filled in: a node that did not reply has no figures, and a grid that does not know when its
    nodes worked gives no spans for them. `name` says what people call a node, `lost` why a node
    of the round was waited for no longer. With `answered_only` a round's nodes are those that
    answered in it, whenever they were asked. `scrutiny` looks at their updates. `figures` are what
    nodes that evaluate may tell beside loss and accuracy.
    """

    def __init__(
        self,
        inner: Strategy,
        run: str,
        on_round: Callable[[RoundRecord], None],
        *,
        name: Callable[[int], str] = str,
        lost: Callable[[], Mapping[int, str]] = dict,
        answered_only: bool = False,
        scrutiny: Scrutiny | None = None,
        figures: Sequence[str] = (),
        now: Callable[[], int] | None = None,
    ) -> None:
        super().__init__(inner)
        self._run = run
        self._on_round = on_round
        self._name = name
        self._lost = lost
        self._answered_only = answered_only
        self._scrutiny = scrutiny
        self._figures = tuple(figures)
        self._now = now or Clock().now
        self._answered = 0
        self._timed: Timed | None = None
        self._record: RoundRecord | None = None
        self._asked: dict[int, NodeRound] = {}

    def configure_train(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> list[Message]:
        self._close()
        started = self._now()
        messages = list(self.inner.configure_train(server_round, arrays, config, grid))
        # Once a round: asking whether something follows a protocol takes as long as a message.
        self._timed = grid if isinstance(grid, Timed) else None
        asked = {message.metadata.dst_node_id: self._ask(message) for message in messages}
        self._asked = self._asked | asked if self._answered_only else asked
        nodes = [] if self._answered_only else list(asked.values())
        if self._scrutiny is not None:
            self._scrutiny.begin(codec.unpack(arrays))
        self._record = RoundRecord(self._run, server_round, started, nodes=nodes)
        return messages

    def aggregate_train(
        self, server_round: int, replies: Iterable[Message]
    ) -> tuple[ArrayRecord | None, MetricRecord | None]:
        arrays, metrics = self.inner.aggregate_train(server_round, self._noted(replies))
        self._judge()
        if self._record is not None:
            self._record.aggregate = Period(self._answered, self._now())
            self._record.train_loss = _number(metrics, client.TRAIN_LOSS)
        return arrays, metrics

    def _judge(self) -> None:
        """Say how the updates of the round looked beside one another."""
        verdicts = {} if self._scrutiny is None else self._scrutiny.judge()
        for node in self._asked.values():
            node.verdict = verdicts.get(node.node)

    def _noted(self, replies: Iterable[Message]) -> Iterator[Message]:
        """The replies as they come, each noted; when the last one came, the rest began."""
        self._answered = self._now()
        for reply in replies:
            self._note(reply)
            self._answered = self._now()
            yield reply

    def configure_evaluate(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> list[Message]:
        started = self._now()
        messages = list(self.inner.configure_evaluate(server_round, arrays, config, grid))
        if self._record is not None and messages:
            self._record.evaluate = Period(started, started)
            sent = (codec.content_bytes(message.content) for message in messages)
            self._record.evaluation_down_bytes = sum(sent)
        return messages

    def aggregate_evaluate(
        self, server_round: int, replies: Iterable[Message]
    ) -> MetricRecord | None:
        answers = list(replies)
        metrics = self.inner.aggregate_evaluate(server_round, answers)
        record = self._record
        if record is None or record.evaluate is None:
            return metrics
        for reply in answers:
            self._note_validation(record, reply)
        record.evaluate = Period(record.evaluate.start, self._now())
        record.accuracy, record.loss = _number(metrics, ACCURACY), _number(metrics, LOSS)
        names = set(metrics or {}) - {ACCURACY, LOSS}
        found = {name: _number(metrics, name) for name in sorted(names)}
        record.figures = {name: value for name, value in found.items() if value is not None}
        return metrics

    def _note_validation(self, record: RoundRecord, reply: Message) -> None:
        name = self._name(reply.metadata.src_node_id)
        if reply.has_content():
            record.evaluation_up_bytes += codec.content_bytes(reply.content)
        found = validation_of(reply, self._figures)
        if isinstance(found, str):
            record.unvalidated[name] = found
        else:
            record.validations[name] = found

    def evaluating(self, evaluate: Evaluate | None) -> Evaluate | None:
        """Time the server's evaluation; where it ends, the round ends."""
        inside = super().evaluating(evaluate)

        def watched(server_round: int, arrays: ArrayRecord) -> MetricRecord | None:
            start = self._now()
            metrics = None if inside is None else inside(server_round, arrays)
            if self._record is not None and inside is not None:
                self._record.evaluate = Period(start, self._now())
                self._record.accuracy = _number(metrics, ACCURACY)
                self._record.loss = _number(metrics, LOSS)
            self._close()
            return metrics

        return watched

    def _close(self) -> None:
        """Hand over the round that is open, if any."""
        record, self._record = self._record, None
        if record is None:
            return
        for node_id, node in self._asked.items():
            if node.status == "no_reply":
                node.reason = self._lost().get(node_id)
        record.ended = self._now()
        self._on_round(record)

    def _ask(self, message: Message) -> NodeRound:
        node = NodeRound(self._name(message.metadata.dst_node_id))
        node.payload_down_bytes = codec.content_bytes(message.content)
        return node

    def _note(self, reply: Message) -> None:
        node = self._asked.get(reply.metadata.src_node_id)
        if node is None:
            node = self._late(reply)
        if node is None:
            return
        if self._answered_only and self._record is not None:
            self._record.nodes.append(node)
        if self._timed is not None:
            node.turn = self._timed.turn(reply.metadata.reply_to_message_id)
        if isinstance(reply, Refused):
            _fill(node, reply.reply.content)
            if reply.readable:
                self._see(node, reply.reply)
        if reply.has_error():
            rejected = reply.error.code == UPDATE_REJECTED
            node.status = "rejected" if rejected else "failed"
            node.reason = reply.error.reason
        else:
            node.status = "trained"
            _fill(node, reply.content)
            self._see(node, reply)

    def _see(self, node: NodeRound, reply: Message) -> None:
        if self._scrutiny is not None:
            arrays = cast(ArrayRecord, reply.content[codec.ARRAYS])
            self._scrutiny.see(node.node, codec.unpack(arrays), node.samples or 0)

    def _late(self, reply: Message) -> NodeRound | None:
        """A node that was asked in another round and whose late answer is used in this one."""
        if self._record is None or self._answered_only or reply.has_error():
            return None
        node_id = reply.metadata.src_node_id
        node = self._asked[node_id] = NodeRound(self._name(node_id))
        self._record.nodes.append(node)
        return node


def _fill(node: NodeRound, content: RecordDict) -> None:
    """Take over what the node itself measured, and count what it sent."""
    metrics = content.get(client.METRICS)
    if isinstance(metrics, MetricRecord):
        figures = dict(metrics.items())
        node.samples = cast("int | None", _number(figures, client.NUM_EXAMPLES))
        node.train_seconds = _number(figures, client.TRAIN_SECONDS)
        node.cpu_seconds = _number(figures, client.CPU_SECONDS)
        node.train_loss = _number(figures, client.TRAIN_LOSS)
        node.train_accuracy = _number(figures, client.TRAIN_ACCURACY)
    node.payload_up_bytes = codec.content_bytes(content)


def _number(figures: Mapping[str, object] | None, key: str) -> float | None:
    value = None if figures is None else figures.get(key)
    return value if isinstance(value, int | float) else None
