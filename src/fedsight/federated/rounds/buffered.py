"""Asynchronous rounds: a new model of every `buffer` answers, while all other nodes go on training.

FedBuff: Nguyen et al. 2022, "Federated learning with buffered asynchronous aggregation". An answer
that was asked with an older model counts for less: its change of the model is scaled by
(1 + age) ** -staleness, where age is how many models were made since.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

from flwr.app import ArrayRecord, ConfigRecord, Message, RecordDict
from flwr.serverapp import Grid
from flwr.serverapp.strategy import Result, Strategy

from fedsight.federated import codec
from fedsight.federated.flat import Vector
from fedsight.federated.fleet import Fleet
from fedsight.federated.narrowed import OnlyThese
from fedsight.federated.rounds.engine import Engine
from fedsight.federated.rounds.exchange import (
    POLL_SECONDS,
    ROLL_CALL_SECONDS,
    SAID_AFTER_SECONDS,
    Missed,
    Waiting,
)
from fedsight.federated.rounds.muster import Present

#: A buffer of so many nodes, where the plan does not say: a tenth of them, as in the paper.
SHARE = 10


@dataclass(frozen=True)
class _Asked:
    """A node that trains, and the model that it was given; `away` is how long nobody could answer
    until then."""

    node_id: int
    name: str
    round: int
    model: Vector
    since: float
    away: float


class BufferedEngine(Engine):
    """Runs rounds that close with each full buffer; a round's number is that of its new model.

    A node is asked again, with the newest model, as soon as its answer was taken in.
    """

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._training: dict[str, _Asked] = {}
        self._given_up: dict[int, Missed] = {}

    @property
    def missed(self) -> Mapping[int, Missed]:
        return self._given_up

    @property
    def busy(self) -> set[int]:
        return super().busy | {one.node_id for one in self._training.values()}

    def _forget(self) -> None:
        super()._forget()
        self._training.clear()

    def _train_once(
        self, strategy: Strategy, current: int, result: Result, config: ConfigRecord
    ) -> bool:
        """Ask whoever is free, wait for a buffer of answers, and make the next model of them."""
        now = codec.unpack(result.arrays)
        self._given_up.clear()
        self._ask(self._configured(strategy, current, result, config), current, now)
        arrays, metrics = strategy.aggregate_train(current, self._buffer(current, now))
        if metrics is not None:
            result.train_metrics_clientapp[current] = metrics
        if arrays is None:
            return False
        result.arrays = arrays
        return True

    def _present(self) -> Grid:
        """The grid with the nodes that are there and do not train."""
        busy = {one.node_id for one in self._training.values()}
        grid = super()._present()
        if isinstance(grid, Fleet):
            return Present(grid, grid.nodes(), busy)
        ids = [node_id for node_id in grid.get_node_ids() if node_id not in busy]
        return OnlyThese(grid, ids)

    def _ask(self, messages: list[Message], round: int, model: Vector) -> None:
        ids = list(self.grid.push_messages(messages)) if messages else []
        away = self.exchanges.away_seconds
        for message, message_id in zip(messages, ids, strict=True):
            node_id = message.metadata.dst_node_id
            if message_id:
                self._training[message_id] = _Asked(
                    node_id, self._name(node_id), round, model, time.monotonic(), away
                )

    def _buffer(self, current: int, now: Vector) -> Iterator[Message]:
        """The answers of one buffer as they come, each moved to where the model is now."""
        wanted = self.rule.buffer or max(1, len(self._training) // SHARE)
        waits = self.rule.timeout_seconds
        opened = called = time.monotonic()
        ends, before = None if waits is None else opened + waits, self.exchanges.away_seconds
        gone = before
        names = {message_id: one.name for message_id, one in self._training.items()}
        message = f"{len(names)} nodes, for {wanted} answers"
        self.progress.begin("training", message, waiting=names, deadline=ends)
        said_after = opened + SAID_AFTER_SECONDS
        usable = 0
        while self._training and usable < wanted:
            self.exchanges.hear()
            replies = list(self.grid.pull_messages(list(self._training)))
            for reply in replies:
                self.progress.touch()
                asked = self._training.pop(reply.metadata.reply_to_message_id, None)
                if asked is None:
                    continue
                names.pop(reply.metadata.reply_to_message_id, None)
                checked = self._checked(reply)
                usable += not checked.has_error()
                yield self._moved(checked, asked, current, now)
            if self.exchanges.away_seconds != gone:  # see Exchanges.answers
                gone = self.exchanges.away_seconds
                said_after = time.monotonic() + SAID_AFTER_SECONDS
            if ends is not None and time.monotonic() >= ends + gone - before:
                break
            if time.monotonic() - called >= ROLL_CALL_SECONDS:
                called = time.monotonic()
                self._give_up(names)
                if called >= said_after and names and self._muster is not None:
                    said_after = math.inf
                    self._tell_waiting(Waiting(tuple(names.values()), waits))
            if replies:
                self.control.check()
            else:
                self.control.sleep(POLL_SECONDS)
        self.progress.begin("aggregating")

    def _give_up(self, names: dict[str, str]) -> None:
        """Wait no longer for nodes that are not there, nor for one that takes longer than a round
        may: what it still sends is late, and it is asked again once that has come."""
        silent, now = self.roll.silent(), time.monotonic()
        most = self.rule.timeout_seconds or math.inf
        for message_id, asked in list(self._training.items()):
            away = self.exchanges.away_seconds - asked.away
            if asked.node_id in silent or now - asked.since - away > most:
                del self._training[message_id]
                self._given_up[asked.node_id] = "silent" if asked.node_id in silent else "deadline"
                names.pop(message_id, None)
                self._late.expect({message_id: asked.node_id}, now)

    def _moved(self, reply: Message, asked: _Asked, current: int, now: Vector) -> Message:
        """The answer as if its scaled change had begun from the model as it is now."""
        if reply.has_error() or asked.round == current:
            return reply
        try:
            vector = codec.unpack(cast(ArrayRecord, reply.content[codec.ARRAYS]))
        except (KeyError, ValueError):
            return reply  # `Checked` says what is wrong with it
        if vector.shape != now.shape or vector.dtype != now.dtype:
            return reply
        scale = vector.dtype.type((1 + current - asked.round) ** -self.rule.staleness)
        content = RecordDict(dict(reply.content))
        content[codec.ARRAYS] = codec.pack(now + (vector - asked.model) * scale)
        reply.content = content
        return reply
