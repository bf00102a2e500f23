"""SCAFFOLD: the drift of each node's training is estimated, and taken off its gradients.

Karimireddy et al. 2020, "SCAFFOLD: stochastic controlled averaging for federated learning",
algorithm 1 with option II. In the paper's letters: x is the global model, y_i what node i makes of
it in K steps of length η_l, c_i that node's control variate and c their mean.

    node:    y_i ← y_i - η_l (g_i(y_i) + c - c_i), K times
    server:  c_i⁺ = c_i - c + (x - y_i) / (K η_l)
             x ← x + η_g mean(y_i - x);  c ← c + |S| / N mean(c_i⁺ - c_i)

The node is sent c - c_i and answers with y_i and K η_l: all that c_i⁺ is made of is then known to
the server, which keeps it (decision 0209).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any, cast

import numpy as np
from flwr.app import ArrayRecord, ConfigRecord, Message, MetricRecord, RecordDict
from flwr.serverapp import Grid

from fedsight.federated import codec
from fedsight.federated.algorithms.averaging import Averaging, weight_of
from fedsight.federated.algorithms.controls import Controls
from fedsight.federated.algorithms.mean import BLOCK
from fedsight.federated.algorithms.weights import Weigh
from fedsight.federated.flat import Vector
from fedsight.federated.node.client import CORRECTION, LOCAL_RATE, METRICS, ROUND
from fedsight.federated.runs.state import State, joined, part
from fedsight.federated.wrapping import Wrapper
from fedsight.signals import Json

#: No gradient is steeper: what claims to be would drown all others' corrections.
STEEPEST = 1e12

_NAMES = "names"
_WEIGHTS = "weights"
_TOTAL = "total"
_CONTROL = "control-{}"


class Scaffold(Wrapper):
    """Control variates around averaging.

    `nodes` is the paper's N; where more of them answer, it is as many as have. c is weighted as the
    model is, so that c and the mean of the c_i stay the same: with equal weights it is the paper's.
    Nodes that have not trained yet count with c_i = 0 and the others' mean weight.
    """

    inner: Averaging

    def __init__(
        self, inner: Averaging, weigh: Weigh, *, nodes: int = 1, name: Callable[[int], str] = str
    ) -> None:
        super().__init__(inner)
        self._weigh = weigh
        self._nodes = nodes
        self._name = name
        self._controls: Controls | None = None
        self._weights: dict[str, float] = {}
        self._total: Vector | None = None  # the sum of c_i by weight
        self._everyone = 0.0  # the weight of all nodes: what divides that sum
        self._model: Vector | None = None

    def configure_train(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> Iterable[Message]:
        self._model = codec.unpack(arrays)
        self._prepare(self._model)
        cast(Controls, self._controls).drop()  # of a round that was lost half-way
        return [
            self._corrected(message)
            for message in self.inner.configure_train(server_round, arrays, config, grid)
        ]

    def aggregate_train(
        self, server_round: int, replies: Iterable[Message]
    ) -> tuple[ArrayRecord | None, MetricRecord | None]:
        return self.inner.aggregate_train(server_round, self._watched(server_round, replies))

    def state(self) -> State:
        """See `Stateful`. Each c_i is read from a file as it is used, until the next `state`."""
        parts = {"averaging": self.inner.state()}
        if self._controls is not None and self._total is not None:
            shown = self._controls.shown()
            arrays: dict[str, Vector] = {_TOTAL: self._total.copy()}
            arrays |= {_CONTROL.format(at): vector for at, vector in enumerate(shown.values())}
            facts = {_NAMES: list(shown), _WEIGHTS: [self._weights[name] for name in shown]}
            parts["scaffold"] = State(cast("dict[str, Json]", facts), arrays)
        return joined(parts)

    def load(self, state: State) -> None:
        """See `Stateful`."""
        self.inner.load(part(state, "averaging"))
        mine = part(state, "scaffold")
        self._controls, self._total, self._weights = None, None, {}
        if not mine.arrays:
            return
        total = mine.arrays[_TOTAL]
        names = cast("list[str]", mine.facts[_NAMES])
        self._prepare(total)
        self._total = np.array(total)
        self._weights = dict(zip(names, cast("list[float]", mine.facts[_WEIGHTS]), strict=True))
        self._everyone = self._weight_of_all()
        for at, name in enumerate(names):
            cast(Controls, self._controls).write(name, [mine.arrays[_CONTROL.format(at)]])
        cast(Controls, self._controls).keep()

    def _prepare(self, like: Vector) -> None:
        if self._controls is None:
            self._controls = Controls(len(like), like.dtype)
            self._total = np.zeros_like(like)
        elif self._controls.size != len(like) or self._controls.dtype != like.dtype:
            raise ValueError(f"control variates are not of a model of {len(like)} {like.dtype}")

    def _corrected(self, message: Message) -> Message:
        """The message, with the node's c - c_i: a content of its own."""
        name = self._name(message.metadata.dst_node_id)
        content = RecordDict(dict(message.content))
        model = cast(Vector, self._model)
        content[CORRECTION] = codec.pack_later(
            lambda: self._correction(name), len(model), model.dtype
        )
        return Message(content, message.metadata.dst_node_id, message.metadata.message_type)

    def _correction(self, name: str) -> Vector:
        """c - c_i of that node."""
        controls = cast(Controls, self._controls)
        found = self._mean(0, controls.size)
        found -= controls.read(name, 0, controls.size)
        return found

    def _mean(self, start: int, stop: int) -> Vector:
        """c from `start` to `stop`: a new vector."""
        return cast(Vector, self._total)[start:stop] / self._divisor

    @property
    def _divisor(self) -> np.floating[Any]:
        """What divides the sum of the c_i: all nodes' weight."""
        return cast(Vector, self._total).dtype.type(self._everyone or 1)

    def _watched(self, round: int, replies: Iterable[Message]) -> Iterator[Message]:
        """The replies as they come; at the end what they tell of each c_i counts, and c changes.

        A round that is lost before its end, and begun anew, has changed nothing.
        """
        weights = dict(self._weights)
        change = np.zeros_like(self._total)
        for reply in replies:
            self._take(reply, round, change, weights)
            yield reply
            del reply
        cast(Controls, self._controls).keep()
        self._weights = weights
        total = cast(Vector, self._total)
        total += change
        self._everyone = self._weight_of_all()

    def _take(self, reply: Message, round: int, change: Vector, weights: dict[str, float]) -> None:
        """Draft the c_i of the node that answered, where the answer tells it."""
        rate = _rate(reply, round)
        if not rate:
            return
        vector = codec.unpack(cast(ArrayRecord, reply.content[codec.ARRAYS]))
        if not _farthest(cast(Vector, self._model), vector) <= STEEPEST * rate:
            return
        name = self._name(reply.metadata.src_node_id)
        weight = float(weight_of(reply, self._weigh))
        before = weights.get(name, weight)
        parts = self._renewed(name, vector, rate, (before, weight), change)
        cast(Controls, self._controls).write(name, parts)
        weights[name] = weight

    def _renewed(
        self,
        name: str,
        vector: Vector,
        rate: float,
        weights: tuple[float, float],
        change: Vector,
    ) -> Iterator[Vector]:
        """c_i⁺, a block at a time; adds to `change` what the sum of the c_i changes by.

        `weights` are the node's before and now.
        """
        controls, model = cast(Controls, self._controls), cast(Vector, self._model)
        before, weight = weights
        for start in range(0, len(model), BLOCK):
            stop = min(start + BLOCK, len(model))
            old = controls.read(name, start, stop)
            new = (model[start:stop] - vector[start:stop]) / model.dtype.type(rate)
            new += old
            new -= self._mean(start, stop)
            change[start:stop] += weight * new - before * old
            yield new

    def _weight_of_all(self) -> float:
        """The weight of all N nodes: what those weigh that trained, and as much for the others."""
        if not self._weights:
            return 0.0
        known = len(self._weights)
        return sum(self._weights.values()) * max(self._nodes, known) / known


def _farthest(one: Vector, other: Vector) -> float:
    """The largest difference of any two values, a block at a time."""
    blocks = range(0, len(one), BLOCK)
    return max(float(np.abs(one[at : at + BLOCK] - other[at : at + BLOCK]).max()) for at in blocks)


def _rate(reply: Message, round: int) -> float:
    """K η_l of a reply that answers this round; 0 of any other, and of one that took no step."""
    if reply.has_error():
        return 0.0
    metrics = cast(MetricRecord, reply.content[METRICS])
    rate = metrics.get(LOCAL_RATE)
    if metrics.get(ROUND) != round or not isinstance(rate, int | float):
        return 0.0
    return rate if math.isfinite(rate) and rate > 0 else 0.0
