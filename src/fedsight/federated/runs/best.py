"""The best model of a run so far."""

from __future__ import annotations

import math
from typing import cast

from fedsight.federated.flat import Vector
from fedsight.federated.runs.state import State
from fedsight.federated.versions import Metrics

_MODEL = "model"


class Best:
    """The round whose model was the most accurate, among equals of least loss, then the newest.

    With `holds` the model itself is kept, and in a checkpoint, too.
    """

    def __init__(self, holds: bool) -> None:
        self._holds = holds
        self._merit: tuple[float, float] | None = None
        self.round: int | None = None
        self.model: Vector | None = None

    def note(self, round: int, metrics: Metrics, model: Vector) -> None:
        """A round has ended with that model."""
        merit = _merit(metrics)
        if merit is None or (self._merit is not None and merit < self._merit):
            return
        self._merit, self.round = merit, round
        if self._holds:
            self.model = model

    def state(self) -> State:
        """See `Stateful`."""
        if self._merit is None:
            return State()
        facts = {"round": self.round, "accuracy": _known(self._merit[0])}
        facts["loss"] = _known(-self._merit[1])
        return State(facts, {} if self.model is None else {_MODEL: self.model})

    def load(self, state: State) -> None:
        """See `Stateful`."""
        if "round" not in state.facts:
            return
        facts = cast("dict[str, float | None]", state.facts)
        self._merit = _merit(Metrics(facts["accuracy"], facts["loss"]))
        self.round = cast(int, state.facts["round"])
        self.model = state.arrays.get(_MODEL)


def _merit(metrics: Metrics) -> tuple[float, float] | None:
    if metrics.accuracy is None and metrics.loss is None:
        return None
    accuracy = -math.inf if metrics.accuracy is None else metrics.accuracy
    return accuracy, -(math.inf if metrics.loss is None else metrics.loss)


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None
