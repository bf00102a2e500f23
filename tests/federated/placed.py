"""A small task whose nodes have data of their own, validated on the nodes.

A node's data is a number in a file of its name; training moves every weight towards it by the
learning rate, and the loss is the distance that is left.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from fedsight.errors import UsageError
from fedsight.tasks import Partition, Recipe


class Targets:
    """See above."""

    figures: tuple[str, ...] = ("distance", "squared")
    defaults: Mapping[str, Any] = {"partition": "own", "rounds": 3, "lr": 0.5, "epochs": 1}

    def model(self, seed: int) -> torch.nn.Module:
        model = torch.nn.Linear(2, 1, bias=False)
        torch.nn.init.zeros_(model.weight)
        return model

    def nodes(self, source: str) -> Mapping[str, str]:
        return {path.stem: str(path) for path in sorted(Path(source).glob("*.txt"))}

    def data(self, partition: Partition) -> Sequence[float]:
        path = Path(partition.source)
        path = path / f"{partition.node}.txt" if path.is_dir() else path
        if not path.is_file():
            raise UsageError(f"node {partition.node} has no file {path}")
        return [float(path.read_text())]

    def validation(self, data: Sequence[float]) -> Sequence[float]:
        return data

    def held_out(self) -> None:
        return None

    def own(self, data: Sequence[float], model: Any) -> Mapping[str, np.ndarray[Any, Any]]:
        return {"target": np.array(data)}

    def train(
        self, model: torch.nn.Module, data: Any, recipe: Recipe, rng: torch.Generator
    ) -> Mapping[str, float]:
        with torch.no_grad():
            for parameter in model.parameters():
                for _ in range(recipe.epochs):
                    parameter += recipe.lr * (data[0] - parameter)
        return {"loss": 0.0}

    def evaluate(self, model: torch.nn.Module, data: Any) -> Mapping[str, float]:
        (weight,) = model.parameters()
        off = abs(data[0] - float(weight.detach()[0, 0]))
        return {"loss": off, "distance": off, "squared": off * off, "unasked": 7.0}


TARGETS = Targets()


class Choosing(Targets):
    """Tunes itself: to its target where that is above 1, else it keeps the shared model."""

    def tune(self, model: torch.nn.Module, data: Any, recipe: Recipe, rng: torch.Generator) -> bool:
        better = data[0] > 1.0
        if better:
            self.train(model, data, recipe, rng)
        return better


CHOOSING = Choosing()


def folder(path: Path, **targets: float) -> Path:
    """A folder with a file for each node."""
    path.mkdir(parents=True, exist_ok=True)
    for name, target in targets.items():
        (path / f"{name}.txt").write_text(str(target))
    return path
