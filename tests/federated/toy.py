"""Small tasks whose answers a reader can check by hand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

from fedsight.tasks import Partition, Recipe


@dataclass
class Toy:
    """Two weights, starting at 0; node k adds k + 1 to both. Node k has k + 1 samples.

    `misbehave` maps a node to what it does instead: an exception to raise, or a value to return.
    """

    misbehave: Mapping[int, BaseException | float] = field(default_factory=dict)
    width: int = 2

    def model(self, seed: int) -> torch.nn.Module:
        model = torch.nn.Linear(self.width, 1, bias=False)
        torch.nn.init.zeros_(model.weight)
        return model

    def data(self, partition: Partition) -> Any:
        return range(partition.index + 1)

    def held_out(self) -> Any:
        return [1.0]

    def train(
        self, model: torch.nn.Module, data: Any, recipe: Recipe, rng: torch.Generator
    ) -> Mapping[str, float]:
        node = len(data) - 1
        fault = self.misbehave.get(node)
        if isinstance(fault, BaseException):
            raise fault
        with torch.no_grad():
            for parameter in model.parameters():
                parameter += node + 1 if fault is None else fault
        return {"loss": float(node)}

    def evaluate(self, model: torch.nn.Module, data: Any) -> Mapping[str, float]:
        total = sum(float(parameter.detach().sum()) for parameter in model.parameters())
        return {"loss": total, "accuracy": 0.5}
