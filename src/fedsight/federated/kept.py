"""`Kept`: hands every round's global model on, around any strategy."""

from __future__ import annotations

from collections.abc import Callable

from flwr.app import ArrayRecord, MetricRecord
from flwr.serverapp.strategy import Strategy

from fedsight.federated import codec
from fedsight.federated.flat import Vector
from fedsight.federated.rounds import Evaluate
from fedsight.federated.wrapping import Wrapper

#: Takes the global model after a round: (round, vector of shape (n,)).
OnModel = Callable[[int, Vector], None]


class Kept(Wrapper):
    """Calls `on_model` after each round. Outside `Observed`, so that no round's time counts it."""

    def __init__(self, inner: Strategy, on_model: OnModel) -> None:
        super().__init__(inner)
        self._on_model = on_model

    def evaluating(self, evaluate: Evaluate | None) -> Evaluate | None:
        """Hand the model on once the server's evaluation, which ends the round, is done."""
        inside = super().evaluating(evaluate)

        def kept(server_round: int, arrays: ArrayRecord) -> MetricRecord | None:
            metrics = None if inside is None else inside(server_round, arrays)
            self._on_model(server_round, codec.unpack(arrays))
            return metrics

        return kept
