"""Tasks of a millisecond whose models differ in size and in how many tensors they lie."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from benchmarks.tiny import VALUES, trained
from fedsight.tasks import Partition, Recipe


class Sized:
    """A model of so many values in so many tensors; a node trains the first for a millisecond."""

    def __init__(self, values: int, tensors: int) -> None:
        self._shape = (tensors, values // tensors)

    def model(self, seed: int) -> torch.nn.Module:
        tensors, values = self._shape
        rng = torch.Generator().manual_seed(seed)
        drawn = (torch.rand(values, generator=rng) for _ in range(tensors))
        return torch.nn.ParameterList(drawn)

    def data(self, partition: Partition) -> Any:
        return range(1)

    def held_out(self) -> None:
        return None

    def train(
        self, model: torch.nn.Module, data: Any, recipe: Recipe, rng: torch.Generator
    ) -> Mapping[str, float]:
        first = next(model.parameters())
        with torch.no_grad():
            part = first[: min(VALUES, len(first))]
            part.copy_(torch.from_numpy(trained(part.numpy())))
        return {"loss": 1.0}

    def evaluate(self, model: torch.nn.Module, data: Any) -> Mapping[str, float]:
        return {"loss": 1.0}


TINY = Sized(VALUES, 1)
FOUR_TENSORS = Sized(200_000, 4)
MANY_TENSORS = Sized(200_000, 200)
MILLION = Sized(1_000_000, 16)
TEN_MILLION = Sized(10_000_000, 16)
