"""Rows in time as examples: what was, and what came then."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fedsight.errors import UsageError
from fedsight.forecast.model import ModelShape
from fedsight.forecast.scale import Array, Normalised, normalised


@dataclass(frozen=True)
class Split:
    """A series in time: so many percent to train, then to validate; what is left is the test."""

    training: int = 70
    validation: int = 10

    def __post_init__(self) -> None:
        if self.training < 1 or self.validation < 0 or self.training + self.validation > 100:
            raise UsageError(
                f"training={self.training!r}, validation={self.validation!r}: percent of a series"
                ", 1 to 100 together"
            )

    def parts(self, rows: int) -> tuple[range, range, range]:
        """Training, validation and test: which rows are whose."""
        first = rows * self.training // 100
        second = rows * (self.training + self.validation) // 100
        return range(first), range(first, second), range(second, rows)


@dataclass(frozen=True)
class Examples:
    """Windows and what came after them, both in the window's own units; a data set with a length.

    `inputs` (n, time_step, metrics), `targets` (n, horizon, metrics), float32; `windows` has the
    way back; `origins` (n,) says which row each window ends with.
    """

    inputs: Tensor
    targets: Tensor
    windows: Normalised
    origins: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.inputs)

    def batches(self, size: int, rng: torch.Generator) -> Iterator[tuple[Tensor, Tensor]]:
        """All examples once, in an order drawn from `rng`, `size` at a time."""
        order = torch.randperm(len(self), generator=rng)
        for start in range(0, len(self), size):
            batch = order[start : start + size]
            yield self.inputs[batch], self.targets[batch]


def origins(part: range, pieces: NDArray[np.int64], shape: ModelShape) -> NDArray[np.int64]:
    """Every row that a forecast can start from, such that all its targets lie within `part`.

    The window before may reach back beyond the part: it is the past. No window and no targets cross
    a gap (`series.piece_of`).
    """
    first = max(part.start, shape.rows) - 1
    found = np.arange(first, max(part.stop - shape.horizon, first), dtype=np.int64)
    # How many rows are missing before each: none may be between a window's first and last target.
    missing = np.concatenate(([0], np.cumsum(pieces == -1)))
    begin, end = found - shape.rows + 1, found + shape.horizon
    whole = (pieces[begin] == pieces[end]) & (missing[begin] == missing[end + 1])
    return np.asarray(found[whole], dtype=np.int64)


def examples(
    scores: Array,
    at: NDArray[np.int64],
    shape: ModelShape,
    level: NDArray[np.int64] | None = None,
) -> Examples:
    """The examples of rows (n, metrics) of z-scores that start from the rows `at`; `level` as in
    `normalised`."""
    windows = windows_at(scores, at, shape, level)
    ahead = scores[at[:, None] + np.arange(1, shape.horizon + 1)]
    targets = (ahead - windows.centre[:, None]) / windows.spread[:, None]
    return Examples(
        torch.from_numpy(windows.inputs).float(), torch.from_numpy(targets).float(), windows, at
    )


def windows_at(
    scores: Array,
    at: NDArray[np.int64],
    shape: ModelShape,
    level: NDArray[np.int64] | None = None,
) -> Normalised:
    """The windows that end with the rows `at`, of z-scores (n, metrics)."""
    return normalised(scores[at[:, None] + np.arange(1 - shape.rows, 1)], shape.time_step, level)
