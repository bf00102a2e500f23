"""From a node's rows to what its model learns from, with nothing of the future in it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Dataset, TensorDataset

from fedsight.errors import SeriesError, UsageError
from fedsight.forecast.derived import chosen
from fedsight.forecast.model import ModelShape
from fedsight.forecast.scale import Array, Scale
from fedsight.forecast.sequences import Examples, Split, examples, origins
from fedsight.forecast.series import piece_of


@dataclass(frozen=True)
class NodeData:
    """One node's series, ready to learn from: what a round's task calls its data.

    `values` (n, metrics) are in real units. `scale` is fitted on the training part alone, but for
    its levels, which are chosen on the validation part; it stays on the node. `test` is empty where
    `Split` leaves nothing. Its length is that of the training examples.
    """

    shape: ModelShape
    scale: Scale
    values: Array
    training: Examples
    validation: Examples
    test: Examples

    def __len__(self) -> int:
        return len(self.training)


def rows_needed(shape: ModelShape, split: Split) -> int:
    """How many rows without a gap give at least one example to train and one to validate."""
    needed = -(-100 * (shape.rows + shape.horizon) // split.training)
    if split.validation:
        needed = max(needed, -(-100 * shape.horizon // split.validation))
    while split.validation and len(split.parts(needed)[1]) < shape.horizon:
        needed += 1
    return needed


def prepared(window: pd.DataFrame, shape: ModelShape, split: Split | None = None) -> NodeData:
    """A window's or a file's rows, by `shape.metrics`, split in time.

    Raises SeriesError where there are too few rows, where gaps leave none long enough, or where a
    metric is constant in the training part.
    """
    split = split or Split()
    table = chosen(window, shape.metrics)
    needed = rows_needed(shape, split)
    if len(table) < needed:
        raise SeriesError(
            f"{len(table)} rows are too few: sequences of {shape.rows} rows and a horizon of "
            f"{shape.horizon} need {needed}"
        )
    values = table.to_numpy(float)
    pieces = piece_of(table.index.to_numpy(np.int64), values)
    parts = split.parts(len(table))
    scale = Scale.of(values[parts[0].start : parts[0].stop], shape.metrics)
    at = [origins(part, pieces, shape) for part in parts]
    scale = scale.levelled(values, at[1], shape.horizon)
    scores = scale.unitless(values)
    found = [examples(scores, each, shape, scale.level) for each in at]
    _check(found, pieces, shape, split)
    return NodeData(shape, scale, values, *found)


def _check(
    found: list[Examples], pieces: NDArray[np.int64], shape: ModelShape, split: Split
) -> None:
    wanted = ("training", "validation") if split.validation else ("training",)
    for name, one in zip(wanted, found, strict=False):
        if not len(one):
            gaps = len(np.unique(pieces[pieces >= 0])) - 1
            raise SeriesError(
                f"the {name} part has no {shape.rows + shape.horizon} rows in a row: there are "
                f"{gaps} gaps, and none is crossed or filled"
            )


class Processor:
    """One metric of one window as torch's data loaders.

    `horizon` steps are foreseen, 1 unless told otherwise. `scale` and `data` hold what was
    fitted. Raises SeriesError as `prepared` does, UsageError for a ratio that leaves nothing.
    """

    def __init__(
        self,
        window: pd.DataFrame,
        time_step: int = 10,
        metric: str = "cpu_usage",
        batch_size: int = 64,
        train_ratio: float = 0.8,
        device: str = "cpu",
        horizon: int = 1,
    ) -> None:
        if not 0 < train_ratio < 1:
            raise UsageError(f"train_ratio={train_ratio!r}: a share between 0 and 1")
        training = min(max(round(train_ratio * 100), 1), 99)
        shape = ModelShape((metric,), time_step=time_step, horizon=horizon)
        self.data = prepared(window, shape, Split(training, 100 - training))
        self._batch_size, self._device = batch_size, torch.device(device)

    @property
    def scale(self) -> Scale:
        """The node's mean and sd, of the training part."""
        return self.data.scale

    def create_data_loaders(
        self,
    ) -> tuple[DataLoader[object], DataLoader[object], Dataset[object], Dataset[object]]:
        """Loaders and data sets to train and to validate with, both in order of time.

        Each item is a window (time_step, 1) and its targets (horizon, 1). The training loader
        shuffles.
        """
        training, validation = (
            TensorDataset(one.inputs.to(self._device), one.targets.to(self._device))
            for one in (self.data.training, self.data.validation)
        )
        return (
            DataLoader(training, self._batch_size, shuffle=True),
            DataLoader(validation, self._batch_size),
            training,
            validation,
        )
