"""Strategies that stack around any Flower strategy, each adding one thing.

    Checked(Observed(Selected(algorithms.strategy(plan))))

A wrapper leaves to the strategy inside all that it does not change. The outermost one's `start`
runs the rounds.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import cast

import numpy as np
from flwr.app import ArrayRecord, ConfigRecord, Error, Message, MetricRecord
from flwr.serverapp import Grid
from flwr.serverapp.strategy import Result, Strategy

from fedsight.federated import codec
from fedsight.federated.faults import UPDATE_REJECTED as UPDATE_REJECTED
from fedsight.federated.flat import Vector
from fedsight.federated.node.client import METRICS, NUM_EXAMPLES
from fedsight.federated.plan import RoundPlan
from fedsight.federated.rounds.engine import Engine, Evaluate

#: No node has more samples: an update that claims more would drown all others.
MOST_SAMPLES = 2**40


class Wrapper(Strategy):
    """A strategy that leaves everything to the one inside it."""

    def __init__(self, inner: Strategy) -> None:
        self.inner = inner

    def configure_train(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> Iterable[Message]:
        return self.inner.configure_train(server_round, arrays, config, grid)

    def aggregate_train(
        self, server_round: int, replies: Iterable[Message]
    ) -> tuple[ArrayRecord | None, MetricRecord | None]:
        return self.inner.aggregate_train(server_round, replies)

    def configure_evaluate(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> Iterable[Message]:
        return self.inner.configure_evaluate(server_round, arrays, config, grid)

    def aggregate_evaluate(
        self, server_round: int, replies: Iterable[Message]
    ) -> MetricRecord | None:
        return self.inner.aggregate_evaluate(server_round, replies)

    def summary(self) -> None:
        self.inner.summary()

    def evaluating(self, evaluate: Evaluate | None) -> Evaluate | None:
        """Wrap the server's evaluation, which ends a round; inner wrappers first."""
        return self.inner.evaluating(evaluate) if isinstance(self.inner, Wrapper) else evaluate

    def start(
        self,
        grid: Grid,
        initial_arrays: ArrayRecord,
        num_rounds: int = 3,
        timeout: float | None = 3600,
        train_config: ConfigRecord | None = None,
        evaluate_config: ConfigRecord | None = None,
        evaluate_fn: Evaluate | None = None,
    ) -> Result:
        """Run the rounds by fedsight's own loop: `rounds.Engine`."""
        engine = Engine(grid, RoundPlan(timeout_seconds=timeout))
        return engine.run(
            self,
            initial_arrays,
            rounds=num_rounds,
            train_config=train_config,
            evaluate_config=evaluate_config,
            evaluate=self.evaluating(evaluate_fn),
        )


class Refused(Message):
    """An Error in the place of `reply`, whose figures were measured although its update is not
    averaged in. `readable`: its update could be, but is not wanted."""

    def __init__(self, reply: Message, reason: str, readable: bool = False) -> None:
        super().__init__(Error(UPDATE_REJECTED, reason), reply_to=reply)
        self.__dict__["_metadata"] = reply.metadata
        self.reply = reply
        self.readable = readable


class Checked(Wrapper):
    """Refuses updates that must not be averaged in: NaN or infinity, another shape or dtype,
    values so large that a weighted sum could overflow.

    A refused update becomes `Refused`, an Error with code `UPDATE_REJECTED` and the reason, so that
    the strategies inside see a failed node. One diverged node then cannot spoil the global model.
    `unwanted` gives the reason why no update of a node is wanted, by its id, however good it is.
    """

    def __init__(
        self, inner: Strategy, unwanted: Callable[[int], str | None] = lambda _: None
    ) -> None:
        super().__init__(inner)
        self._unwanted = unwanted
        self._shape: tuple[int, ...] = ()
        self._dtype: np.dtype[np.generic] | None = None

    def configure_train(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> Iterable[Message]:
        vector = codec.unpack(arrays)
        self._shape, self._dtype = vector.shape, vector.dtype
        return self.inner.configure_train(server_round, arrays, config, grid)

    def aggregate_train(
        self, server_round: int, replies: Iterable[Message]
    ) -> tuple[ArrayRecord | None, MetricRecord | None]:
        return self.inner.aggregate_train(server_round, map(self.check, replies))

    def check(self, reply: Message) -> Message:
        """The reply to a message of this round, or `Refused` in its place."""
        if reply.has_error():
            return reply
        reason = self._fault(reply)
        if reason is not None:
            return Refused(reply, reason)
        unwanted = self._unwanted(reply.metadata.src_node_id)
        return reply if unwanted is None else Refused(reply, unwanted, readable=True)

    def _fault(self, reply: Message) -> str | None:
        try:
            vector = codec.unpack(cast(ArrayRecord, reply.content[codec.ARRAYS]))
            metrics = reply.content[METRICS]
            if not isinstance(metrics, MetricRecord):
                raise ValueError(f"expected metrics, got {type(metrics).__name__}")
            samples = metrics[NUM_EXAMPLES]
        except (KeyError, ValueError) as error:
            return f"update not readable: {error}"
        if isinstance(samples, list) or not 0 <= samples <= MOST_SAMPLES:
            return f"update stands for {samples!r} samples"
        if vector.shape != self._shape or vector.dtype != self._dtype:
            return (
                f"update is {vector.dtype} of shape {vector.shape}, "
                f"the model is {self._dtype} of shape {self._shape}"
            )
        return None if _finite(vector) else _not_finite(vector)


def _finite(vector: Vector) -> bool:
    # The squared norm is not finite if a value is not, nor from a norm of 1.8e19 on (float32),
    # which no model has, but which a sum weighted by samples could carry beyond the dtype.
    with np.errstate(over="ignore", invalid="ignore"):
        return math.isfinite(np.dot(vector, vector))


def _not_finite(vector: Vector) -> str:
    nan, infinite = int(np.isnan(vector).sum()), int(np.isinf(vector).sum())
    if nan + infinite == 0:
        return f"update is too large to be averaged: values up to {np.abs(vector).max():.3g}"
    return f"update holds {nan} NaN and {infinite} infinite values of {len(vector)}"
