"""The model that foresees: an LSTM over the last rows, and a head for all steps ahead at once.

Hochreiter, Schmidhuber 1997, "Long short-term memory". It recurs over (batch, time, features): one
step for each row. The head gives every step of the horizon directly, so no error is fed back, and
several quantiles of each (Wen et al. 2017, "A multi-horizon quantile recurrent forecaster").
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from fedsight.errors import UsageError

QUANTILES = (0.1, 0.5, 0.9)
#: Rows that a window's level is taken from, where they are more than the model's sequence.
LEVEL_ROWS = 30


@dataclass(frozen=True)
class ModelShape:
    """What a model foresees, and how large it is.

    `metrics` names the columns, in order; `time_step` rows go in; `horizon` steps come out, for
    each metric its `quantiles`. Raises UsageError where a size makes no sense.
    """

    metrics: tuple[str, ...]
    time_step: int = 10
    hidden: int = 32
    layers: int = 1
    horizon: int = 100
    quantiles: tuple[float, ...] = QUANTILES

    def __post_init__(self) -> None:
        if not self.metrics or len(set(self.metrics)) < len(self.metrics):
            raise UsageError(f"metrics={self.metrics!r}: name at least one, each once")
        for name in ("time_step", "hidden", "layers", "horizon"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name}={getattr(self, name)!r}: a model needs at least 1")
        levels = self.quantiles
        ordered = all(0 < one < 1 for one in levels) and list(levels) == sorted(set(levels))
        if not ordered or 0.5 not in levels:
            raise UsageError(f"quantiles={levels!r}: ascending, within 0 and 1, 0.5 among them")

    @property
    def rows(self) -> int:
        """Rows of the past that one forecast needs."""
        return max(self.time_step, LEVEL_ROWS)

    def described(self) -> dict[str, Any]:
        """JSON values that `read` understands: for a model version's manifest."""
        return {
            "metrics": list(self.metrics),
            "time_step": self.time_step,
            "hidden": self.hidden,
            "layers": self.layers,
            "horizon": self.horizon,
            "quantiles": list(self.quantiles),
        }

    @classmethod
    def read(cls, described: Mapping[str, Any]) -> ModelShape:
        """The inverse of `described`. Raises UsageError where something is missing or wrong."""
        try:
            return cls(
                tuple(str(name) for name in described["metrics"]),
                time_step=int(described["time_step"]),
                hidden=int(described["hidden"]),
                layers=int(described["layers"]),
                horizon=int(described["horizon"]),
                quantiles=tuple(float(level) for level in described["quantiles"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise UsageError(f"this is no forecasting model's shape: {error}") from error


class Forecaster(nn.Module):
    """The LSTM of one `shape`; its initial weights are drawn from `rng` alone."""

    def __init__(self, shape: ModelShape, rng: torch.Generator) -> None:
        super().__init__()
        self.shape = shape
        metrics = len(shape.metrics)
        self.recurrent = nn.LSTM(metrics, shape.hidden, shape.layers, batch_first=True)
        self.head = nn.Linear(shape.hidden, shape.horizon * metrics * len(shape.quantiles))
        bound = shape.hidden**-0.5
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -bound, bound, generator=rng)

    def forward(self, inputs: Tensor) -> Tensor:
        """Windows (batch, time_step, metrics) in their own units (`scale.normalised`) to quantiles
        (batch, horizon, metrics, quantiles) in the same units, ascending."""
        return self.unsorted(inputs).sort(dim=-1).values

    def unsorted(self, inputs: Tensor) -> Tensor:
        """As `forward`, before quantiles that cross are put in order: what is trained."""
        states, _ = self.recurrent(inputs)
        shape = self.shape
        quantiles: Tensor = self.head(states[:, -1])
        return quantiles.view(-1, shape.horizon, len(shape.metrics), len(shape.quantiles))
