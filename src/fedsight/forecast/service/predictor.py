"""A model version at work: all nodes in one pass through the network, personal ones apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from fedsight.errors import UsageError
from fedsight.forecast.fan import forecasts
from fedsight.forecast.model import Forecaster, ModelShape
from fedsight.forecast.scale import Scale
from fedsight.forecast.service.scoring import Array


class Known(NamedTuple):
    """A node's rows, `step` ns apart up to the last: `values` (rows, metrics) in real units.

    Rows before the last `ModelShape.rows` may hold NaN: they were not measured.
    """

    node: str
    times: NDArray[np.int64]
    values: Array
    step: int


class Foretold(NamedTuple):
    """`values` (horizon, metrics, quantiles) in real units; `sd` (metrics,) of the node, 0
    where a metric is constant there and not foreseen."""

    values: Array
    sd: Array
    personal: bool


class Personal(NamedTuple):
    """What a node keeps for itself: weights that were tuned on its rows, its scale, and how much
    of the model its forecasts take, (horizon, metrics); the rest is the level."""

    model: Forecaster | None
    scale: Scale | None
    share: Array | None = None


@dataclass(frozen=True)
class Loaded:
    """One model version. `made` is RFC 3339; `personal` by node."""

    version: str
    made: str
    model: Forecaster
    personal: Mapping[str, Personal] = field(default_factory=dict)

    @property
    def shape(self) -> ModelShape:
        """What it foresees."""
        return self.model.shape

    def own_scale(self, node: str) -> Scale | None:
        """What the node keeps of its own; None where it keeps none."""
        kept = self.personal.get(node)
        return None if kept is None else kept.scale

    def foretell(self, known: Sequence[Known], scales: Sequence[Scale]) -> list[Foretold]:
        """The forecasts of these nodes, in their order."""
        rows = np.stack([one.values[-self.shape.rows :] for one in known])
        own = [self._own(one.node) for one in known]
        found: dict[int, Array] = {}
        shared = [at for at, model in enumerate(own) if model is None]
        if shared:
            values = forecasts(self.model, rows[shared], [scales[at] for at in shared])
            found |= dict(zip(shared, values, strict=True))
        for at, model in enumerate(own):
            if model is not None:
                found[at] = forecasts(model, rows[at : at + 1], [scales[at]])[0]
        return [Foretold(found[at], scales[at].sd, own[at] is not None) for at in range(len(known))]

    def model_of(self, node: str) -> Forecaster:
        """The node's own model, else the one of all."""
        return self._own(node) or self.model

    def _own(self, node: str) -> Forecaster | None:
        kept = self.personal.get(node)
        return None if kept is None else kept.model


class Versions(Protocol):
    """Where model versions come from."""

    def newest(self, than: str | None) -> Loaded | None:
        """The version to use now; None where it is still `than`.

        Raises FedsightError, saying what to do, where there is none or it cannot be read.
        """
        ...


class GivenVersions:
    """Versions for tests: `now` is the newest one; None: there is none."""

    def __init__(self, now: Loaded | None = None) -> None:
        self.now = now

    def newest(self, than: str | None) -> Loaded | None:
        """As `Versions.newest`."""
        if self.now is None:
            raise UsageError("there is no model yet")
        return None if self.now.version == than else self.now
