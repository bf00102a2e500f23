"""Foreseeing each node's power, load and memory: an LSTM that learns on the nodes' own telemetry.

No data comes with it. The server sees neither rows nor a node's scale; what it knows of a model it
knows from the nodes (`Validated`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
import torch

from fedsight.errors import SeriesError, UsageError
from fedsight.forecast import mixture, places
from fedsight.forecast.derived import UNITS
from fedsight.forecast.model import Forecaster, ModelShape
from fedsight.forecast.processor import NodeData, prepared, rows_needed
from fedsight.forecast.scale import Array
from fedsight.forecast.sequences import Examples, Split
from fedsight.forecast.training import (
    EVALUATION_BATCH,
    PERSONAL,
    ROUND,
    Schedule,
    of_round,
    own_model,
    pinball,
    train,
)
from fedsight.tasks.task import Partition, Recipe

#: Percent of a node's rows that it validates on: of a long series the last fifth, of a short window
#: as much as it takes to hold a horizon and some more origins.
LEAST_VALIDATION, MOST_VALIDATION = 20, 44
SOME_ORIGINS = 30
#: What a model foresees where nobody says: what is derived of a window.
LIVE = ModelShape(tuple(UNITS))


@dataclass(frozen=True)
class Held:
    """What one node validates on.

    `unit` (metrics,) is a z-score in real units, `naive` (metrics,) the mean error of persistence
    one step ahead over the training rows, in real units.
    """

    examples: Examples
    unit: Array
    naive: Array

    def __len__(self) -> int:
        return len(self.examples)


@dataclass(frozen=True)
class Telemetry:
    """A `Task`, `Placed`, `Columned`, `Described` and `Validated`, for a model of one shape.

    `mase` is the median's mean absolute error over all steps ahead, over `Held.naive`, the mean of
    all metrics (Hyndman, Koehler 2006, "Another look at measures of forecast accuracy"); `coverage`
    the share of values between the outer quantiles. Neither has a unit: an error in the node's own
    beside them would tell the node's scale.
    """

    shape: ModelShape = LIVE
    figures: tuple[str, ...] = ("mase", "coverage")

    def columns(self, source: str) -> Sequence[str]:
        """See `Columned`."""
        return places.columns(source)

    def looking_at(self, columns: Sequence[str]) -> Telemetry:
        """See `Columned`."""
        return replace(self, shape=replace(self.shape, metrics=tuple(columns)))

    def described(self) -> Mapping[str, Any]:
        """See `Described`."""
        return self.shape.described()

    def model(self, seed: int) -> torch.nn.Module:
        return Forecaster(self.shape, torch.Generator().manual_seed(seed))

    def nodes(self, source: str) -> Mapping[str, str]:
        """See `Placed`: every file of a folder, or every window that holds enough."""
        if not source:
            raise UsageError("task telemetry needs its nodes' data: --data DIR, a CSV file a node")
        if places.is_recorded(source):
            return places.recorded(source)
        found = self.standings(source)
        ready = [node for node, one in found.items() if one.lacking is None]
        if not ready:
            said = "; ".join(f"{node}: {one.lacking}" for node, one in found.items())
            raise UsageError(
                f"no node has enough telemetry in {source}"
                + (f" ({said})" if said else "")
                + ": name recorded series with --data DIR, a CSV file a node, or let telemetry come"
                " in (fedsight serve exporter, fedsight serve agent, fedsight serve bridge)"
            )
        return dict.fromkeys(ready, source)

    def standings(self, source: str) -> Mapping[str, places.Standing]:
        """See `Growing`."""
        if places.is_recorded(source):
            return {}
        return places.standings(source, self.shape, self.rows_needed(), self.split)

    def data(self, partition: Partition) -> NodeData:
        """A node's own rows. Raises UsageError naming the node and what is wrong with them."""
        if not partition.source:
            raise UsageError("task telemetry needs to be told where a node's data lies: --data")
        try:
            rows = places.rows(partition.source, partition.node)
            return prepared(rows, self.shape, self.split(len(rows)))
        except SeriesError as error:
            raise UsageError(f"node {partition.node}: {error}") from error

    def held_out(self) -> None:
        """Nothing: see `validation`."""

    def validation(self, data: NodeData) -> Held:
        """See `Validated`."""
        first = int(data.training.origins[-1]) + self.shape.horizon + 1
        return Held(data.validation, data.scale.sd, naive(data.values[:first]))

    def own(self, data: NodeData, model: torch.nn.Module) -> Mapping[str, Array]:
        """What a node keeps beside a model of its own: its scale, by `mean`, `sd` and `level`, and
        how much of the model to mix with the level, by `share` (horizon, metrics)."""
        scale, share = data.scale, _share(data, cast(Forecaster, model))
        level = scale.levels(data.shape.rows).astype(float)
        return {"mean": scale.mean, "sd": scale.sd, "level": level, "share": share}

    def train(
        self, model: torch.nn.Module, data: NodeData, recipe: Recipe, rng: torch.Generator
    ) -> Mapping[str, float]:
        """Adam, over the rounds as `of_round` says, its rate in the proportion of the recipe's to
        the usual one."""
        schedule = _scheduled(recipe, of_round(recipe.done, recipe.rounds), ROUND.lr)
        return {"loss": train(cast(Forecaster, model), data.training, rng, schedule)}

    def tune(
        self, model: torch.nn.Module, data: NodeData, recipe: Recipe, rng: torch.Generator
    ) -> bool:
        """See `TuningItself`: `model` fine-tuned, or a model of this node alone that begins from
        nothing, by the error of the median on the validation part (`own_model`)."""
        schedule = _scheduled(recipe, PERSONAL, PERSONAL.lr)
        found = own_model(cast(Forecaster, model), data.training, data.validation, rng, schedule)
        model.load_state_dict(found.state_dict())
        return found is not model

    def evaluate(self, model: torch.nn.Module, data: Held) -> Mapping[str, float]:
        """Mean pinball loss in windows' own units, and the figures."""
        model.eval()
        loss, inside, error = 0.0, 0.0, np.zeros(len(self.shape.metrics))
        with torch.inference_mode():
            for start in range(0, len(data), EVALUATION_BATCH):
                part = slice(start, start + EVALUATION_BATCH)
                outputs, targets = model(data.examples.inputs[part]), data.examples.targets[part]
                levels = torch.tensor(self.shape.quantiles)
                loss += float(pinball(outputs, targets, levels)) * len(targets)
                inside += float(_inside(outputs, targets)) * len(targets)
                off = outputs[..., self.shape.quantiles.index(0.5)] - targets
                spread = data.examples.windows.spread[part]
                error += (off.abs().double().mean(1).numpy() * spread).sum(axis=0)
        mae = error / len(data) * data.unit
        found = {"loss": loss / len(data), "coverage": inside / len(data)}
        found["mase"] = float(np.mean(mae / data.naive)) if (data.naive > 0).all() else math.nan
        return found

    def split(self, rows: int) -> Split:
        """How so many rows are shared between training and validation; no test part is left."""
        wanted = -(-100 * (self.shape.horizon + SOME_ORIGINS) // max(rows, 1))
        validation = min(max(wanted, LEAST_VALIDATION), MOST_VALIDATION)
        return Split(100 - validation, validation)

    def rows_needed(self) -> int:
        """How many rows a node must have before it can train."""
        return rows_needed(self.shape, Split(100 - MOST_VALIDATION, MOST_VALIDATION))


def _scheduled(recipe: Recipe, like: Schedule, usual: float) -> Schedule:
    """`like`, as long as the recipe says, its rates times as high as the recipe's is the usual."""
    times = recipe.lr / usual
    return replace(
        like,
        epochs=recipe.epochs,
        lr=like.lr * times,
        last_lr=like.last_lr * times,
        batch_size=recipe.batch_size,
    )


def _share(data: NodeData, model: Forecaster) -> Array:
    """The weights of the mixture that were best on the node's validation part."""
    held = data.validation
    model.eval()
    with torch.inference_mode():
        starts = range(0, len(held), EVALUATION_BATCH)
        parts = [model(held.inputs[start : start + EVALUATION_BATCH]) for start in starts]
    outputs = torch.cat(parts).numpy().astype(float)
    middle = held.windows.back(outputs)[..., data.shape.quantiles.index(0.5)]
    came = held.windows.back(held.targets.numpy().astype(float)[..., None])[..., 0]
    return mixture.shares(middle, held.windows.centre, came)


def _inside(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """The share of targets between the outer quantiles."""
    return ((targets >= outputs[..., 0]) & (targets <= outputs[..., -1])).double().mean()


def naive(rows: Array) -> Array:
    """The mean error of persistence one step ahead, (metrics,), over rows (n, metrics)."""
    found: Array = np.nanmean(np.abs(np.diff(rows, axis=0)), axis=0)
    return found


#: The built-in task.
TELEMETRY = Telemetry()
