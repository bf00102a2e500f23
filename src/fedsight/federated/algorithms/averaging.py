"""The strategy that averages: every algorithm is this one, with an optimizer of its own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import cast

from flwr.app import ArrayRecord, ConfigRecord, Message, MessageType, MetricRecord, RecordDict
from flwr.serverapp import Grid
from flwr.serverapp.strategy import Strategy

from fedsight.federated import codec
from fedsight.federated.algorithms.mean import MeanFigures, WeightedMean
from fedsight.federated.algorithms.optimizers import Moments, ServerOptimizer, stepped
from fedsight.federated.algorithms.weights import Weigh, by_samples
from fedsight.federated.flat import Vector
from fedsight.federated.node.client import CONFIG, COUNTS, METRICS, NUM_EXAMPLES, PROXIMAL_MU, ROUND
from fedsight.federated.runs.state import State


class Averaging(Strategy):
    """Trains every node that the grid shows; steps from the global model to their weighted mean.

    Which nodes train is `Selected`'s to decide. Replies are averaged in the order they come in, one
    at a time: besides the model, one running sum is held. `mu` goes to the nodes: FedProx (Li et
    al. 2020, "Federated optimization in heterogeneous networks") is FedAvg whose nodes add
    mu/2 |w - x|² to their loss.
    """

    def __init__(
        self,
        name: str,
        optimizer: ServerOptimizer,
        weigh: Weigh = by_samples,
        mu: float = 0.0,
    ) -> None:
        self._name = name
        self._optimizer = optimizer
        self._weigh = weigh
        self._mu = mu
        self._model: Vector | None = None
        self._moments: Moments | None = None

    def configure_train(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> list[Message]:
        self._model = codec.unpack(arrays)
        config[ROUND] = server_round
        if self._mu > 0:
            config[PROXIMAL_MU] = self._mu
        content = RecordDict()
        content[codec.ARRAYS] = arrays
        content[CONFIG] = config
        return [Message(content, node_id, MessageType.TRAIN) for node_id in grid.get_node_ids()]

    def aggregate_train(
        self, server_round: int, replies: Iterable[Message]
    ) -> tuple[ArrayRecord | None, MetricRecord | None]:
        mean, means = WeightedMean(), MeanFigures()
        for reply in replies:
            if not reply.has_error():
                weight = weight_of(reply, self._weigh)
                mean.add(codec.unpack(cast(ArrayRecord, reply.content[codec.ARRAYS])), weight)
                means.add(figures_of(reply), weight)
            del reply  # or it would be held while the next one is made
        vector = mean.result()
        if vector is None:
            return None, None
        found = MetricRecord(
            cast("dict[str, float | int | list[float] | list[int]]", means.result())
        )
        return codec.pack(self._step(vector, server_round)), found

    def _step(self, mean: Vector, round: int) -> Vector:
        """The next global model, from the mean of the nodes' models, which is used up."""
        if self._model is None:
            raise RuntimeError("aggregate_train without configure_train: from which model?")
        moments = self._optimizer.init(self._model) if self._moments is None else self._moments
        vector, self._moments = stepped(self._optimizer, self._model, mean, moments, round)
        return vector

    def configure_evaluate(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> list[Message]:
        """Nothing: the global model is evaluated on the server's held-out data."""
        return []

    def aggregate_evaluate(
        self, server_round: int, replies: Iterable[Message]
    ) -> MetricRecord | None:
        return None

    def summary(self) -> None:
        """Nothing to say beyond the run's own configuration."""

    def state(self) -> State:
        """See `Stateful`: what the optimizer remembers."""
        return State({"algorithm": self._name}, dict(self._moments or {}))

    def load(self, state: State) -> None:
        """See `Stateful`."""
        if state.facts.get("algorithm") != self._name:
            other = state.facts.get("algorithm", "no algorithm")
            raise ValueError(f"the state is of {other}, the algorithm is {self._name}")
        self._moments = dict(state.arrays) or None


def figures_of(reply: Message) -> Mapping[str, float]:
    """What a node measured, by name; not what it counts for the server's own use."""
    metrics = cast(MetricRecord, reply.content[METRICS])
    return {
        key: value
        for key, value in metrics.items()
        if key not in COUNTS and not isinstance(value, list)
    }


def weight_of(reply: Message, weigh: Weigh) -> float:
    """What an update weighs in the mean."""
    samples = cast(int, cast(MetricRecord, reply.content[METRICS])[NUM_EXAMPLES])
    return weigh(samples, figures_of(reply))
