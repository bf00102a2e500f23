"""Rounds of an app as its messages show them.

A round begins with messages of type `train` (or `query`, where they carry a round's number) and
ends with the last answer before the next one begins. Flower's strategies write the number of the
round into each message's `group_id`; where an app does not, training messages that are sent after
answers to earlier ones begin a new round.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from flwr.app import Message

from fedsight.federated import codec
from fedsight.federated.anyapp import figures
from fedsight.federated.anyapp.figures import Weighed
from fedsight.federated.clock import Clock
from fedsight.federated.observation import NodeRound, Period, RoundRecord, Turn
from fedsight.federated.rounds.muster import Say

TRAIN, EVALUATE, QUERY = "train", "evaluate", "query"
#: A `group_id` further ahead of the rounds so far is no round's number.
MOST_SKIPPED = 1000


@dataclass(frozen=True)
class _Sent:
    """A message under way: of which round, and as what; `node` None where it only evaluates."""

    record: RoundRecord
    node_id: int
    node: NodeRound | None


class SeenRounds:
    """Makes records of the messages of one run; hands each, whole, to `on_round`.

    Not thread-safe. `name` says what people call a node, `turn` when it worked on a message.
    """

    def __init__(
        self,
        run: str,
        on_round: Callable[[RoundRecord], None],
        say: Say,
        *,
        name: Callable[[int], str] = str,
        turn: Callable[[str], Turn | None] = lambda _: None,
        now: Callable[[], int] | None = None,
    ) -> None:
        self._run = run
        self._on_round = on_round
        self._say = say
        self._name = name
        self._turn = turn
        self._now = now or Clock().now
        self._sent: dict[str, _Sent] = {}
        self._nodes: dict[int, NodeRound] = {}
        self._evaluated: list[Weighed] = []
        self._record: RoundRecord | None = None
        self._group = ""
        self._heard = self._given = False
        self.last = 0

    def begin(self, round: int | None = None, started: int | None = None) -> None:
        """A round begins, now if not before; given its number, what is sent from now on is of it
        until `close`."""
        self.close()
        self.last = self.last + 1 if round is None else round
        self._given = round is not None
        self._record = RoundRecord(self._run, self.last, started or self._now())

    def asked(self, message: Message, since: int) -> None:
        """A message has been handed over, from `since` until now; its id is set."""
        record = self._round_of(message, since)
        if record is None:
            return
        node_id = message.metadata.dst_node_id
        size = codec.content_bytes(message.content)
        node = None
        if _category(message) == EVALUATE:
            start = record.evaluate.start if record.evaluate else since
            record.evaluate = Period(start, self._now())
            record.evaluation_down_bytes += size
        else:
            node = self._node(record, node_id)
            node.payload_down_bytes = (node.payload_down_bytes or 0) + size
        record.ended = self._now()
        self._sent[message.metadata.message_id] = _Sent(record, node_id, node)

    def answered(self, reply: Message) -> None:
        """An answer; one to a message of a round that is over changes nothing."""
        sent = self._sent.pop(reply.metadata.reply_to_message_id, None)
        if sent is None or sent.record is not self._record:
            return
        record = sent.record
        if sent.node is None:
            self._take_evaluation(record, sent.node_id, reply)
        else:
            self._heard = True
            sent.node.turn = self._turn(reply.metadata.reply_to_message_id)
            _take_in(sent.node, reply)
        record.ended = self._now()

    def rejected(self, node_id: int, reason: str) -> None:
        """An update that was not averaged in, for that reason; a late one may be of a node that
        was not asked in this round."""
        node = self._nodes.get(node_id)
        if node is not None:
            node.status, node.reason = "rejected", reason

    def given_up(self, reasons: Mapping[int, str]) -> None:
        """Why nodes without an answer were waited for no longer."""
        for node_id, node in self._nodes.items():
            if node.status == "no_reply":
                node.reason = reasons.get(node_id, node.reason)

    def aggregated(self, since: int) -> None:
        """The server has averaged the updates, from `since` until now."""
        if self._record is not None:
            self._record.aggregate = Period(since, self._now())

    def evaluated(
        self, loss: float | None, accuracy: float | None, since: int | None = None
    ) -> None:
        """What the server itself found; `since` None: of its nodes' figures."""
        record = self._record
        if record is None:
            return
        record.loss, record.accuracy = loss, accuracy
        if since is not None:
            record.evaluate = Period(since, self._now())
        record.ended = self._now()

    def close(self) -> None:
        """Hand over the round that is open, if any."""
        record = self.taken()
        if record is not None:
            self._on_round(record)

    def taken(self) -> RoundRecord | None:
        """The round that is open, whole; it is open no longer."""
        record, self._record = self._record, None
        if record is None:
            return None
        trained = [node for node in record.nodes if node.status == "trained"]
        record.train_loss = figures.mean((one.samples, one.train_loss) for one in trained)
        if record.accuracy is None and record.loss is None:
            record.loss = figures.mean((one.samples, one.loss) for one in self._evaluated)
            record.accuracy = figures.mean((one.samples, one.accuracy) for one in self._evaluated)
        record.ended = max(record.ended, record.started)
        self._nodes, self._evaluated = {}, []
        self._sent = {key: one for key, one in self._sent.items() if one.record is not record}
        self._heard = self._given = False
        return record

    def now(self) -> int:
        """Unix nanoseconds."""
        return self._now()

    def _round_of(self, message: Message, since: int) -> RoundRecord | None:
        """The round that a message is of; a new one where it begins one."""
        kind, group = _category(message), message.metadata.group_id
        number = _number(group)
        opens = kind == TRAIN or (kind == QUERY and number is not None)
        if not opens:
            return self._record if kind == EVALUATE else None
        if not self._given and self._is_new(group):
            wanted = number or 0
            self.begin(started=since)
            self._group = group
            if self._record and self.last < wanted <= self.last + MOST_SKIPPED:
                self._record.round = self.last = wanted
        return self._record

    def _is_new(self, group: str) -> bool:
        if self._record is None:
            return True
        return group != self._group if group or self._group else self._heard

    def _node(self, record: RoundRecord, node_id: int) -> NodeRound:
        if node_id not in self._nodes:
            self._nodes[node_id] = NodeRound(self._name(node_id))
            record.nodes.append(self._nodes[node_id])
        return self._nodes[node_id]

    def _take_evaluation(self, record: RoundRecord, node_id: int, reply: Message) -> None:
        reason = _failure(reply)
        if reply.has_content():
            record.evaluation_up_bytes += codec.content_bytes(reply.content)
        if reason is None:
            found = figures.of(reply.content)
            self._evaluated.append(
                Weighed(
                    figures.samples(found),
                    figures.first(found, figures.EVAL_LOSS),
                    figures.first(found, figures.EVAL_ACCURACY),
                )
            )
        else:
            name = self._name(node_id)
            self._say("EVALUATION_FAILED", {"message": reason}, round=record.round, node=name)
        start = record.evaluate.start if record.evaluate else self._now()
        record.evaluate = Period(start, self._now())


def sizes(messages: Iterable[Message]) -> int | None:
    """How many numbers the arrays of the first message that trains hold; None where none does."""
    for message in messages:
        if _category(message) == TRAIN:
            arrays = [
                array
                for record in message.content.array_records.values()
                for array in record.values()
            ]
            known = all(array.dtype for array in arrays)  # the older kind says no shapes
            return sum(_count(array.shape) for array in arrays) if arrays and known else None
    return None


def _count(shape: Iterable[int]) -> int:
    total = 1
    for length in shape:
        total *= length
    return total


def _category(message: Message) -> str:
    return message.metadata.message_type.split(".")[0]


def _number(group: str) -> int | None:
    return int(group) if group.isdecimal() and len(group) < 10 and int(group) > 0 else None


def _failure(reply: Message) -> str | None:
    return reply.error.reason if reply.has_error() else figures.refusal(reply.content)


def _take_in(node: NodeRound, reply: Message) -> None:
    """What a node answered, and what it measured itself."""
    reason = _failure(reply)
    node.status, node.reason = ("trained", None) if reason is None else ("failed", reason)
    if not reply.has_content():
        node.payload_up_bytes = node.payload_up_bytes or 0
        return
    node.payload_up_bytes = (node.payload_up_bytes or 0) + codec.content_bytes(reply.content)
    found = figures.of(reply.content)
    node.samples = figures.samples(found)
    node.train_loss = figures.first(found, figures.TRAIN_LOSS)
    node.train_accuracy = figures.first(found, figures.TRAIN_ACCURACY)
