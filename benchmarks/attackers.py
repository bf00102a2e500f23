"""Nodes that attack: task mnist, of whose nodes some send other updates than they should."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from fedsight.tasks import Partition, Recipe
from fedsight.tasks.classification import Classification, Labelled
from fedsight.tasks.mnist import MNIST

#: The share of an attacker's labels that are wrong.
FLIPPED = 0.4
#: How many times as long a scaled update is.
SCALE = 5.0
#: How many standard deviations of the honest updates the hidden ones lie below their mean: for two
#: attackers of ten the paper's bound allows none at all, so this is what its experiments use.
HIDDEN = 1.5
#: Noise that keeps hidden updates apart, in standard deviations of the honest ones.
APART = 0.3
CLASSES = 10

LABEL_FLIP, LABEL_NOISE = "label_flip", "label_flip_at_random"
SIGN_FLIP, SCALED = "sign_flip", "scaled"
LITTLE, LITTLE_APART = "little_is_enough", "little_is_enough_apart"
NONE = "none"
ATTACKS = (LABEL_FLIP, LABEL_NOISE, SIGN_FLIP, SCALED, LITTLE, LITTLE_APART)


@dataclass(frozen=True)
class Holding:
    """One node's data, and which node it is."""

    node: int
    data: Labelled

    def __len__(self) -> int:
        return len(self.data)


class Attacked:
    """Task mnist, a `Task`, in a simulation whose nodes take turns.

    Attackers are the last nodes, so that those of "A little is enough" (Baruch et al. 2019), who
    are taken to know all honest updates of the round, have their turn after them.
    """

    def __init__(self, attack: str, attackers: frozenset[int], seed: int) -> None:
        self._attack = attack
        self._attackers = attackers if attack != NONE else frozenset[int]()
        self._rng = np.random.default_rng([seed, 0xA77AC])
        self._task: Classification = MNIST
        self._honest: dict[int, Tensor] = {}

    def model(self, seed: int) -> nn.Module:
        return self._task.model(seed)

    def held_out(self) -> Labelled:
        return self._task.held_out()

    def evaluate(self, model: nn.Module, data: Labelled) -> Mapping[str, float]:
        return self._task.evaluate(model, data)

    def data(self, partition: Partition) -> Holding:
        own = self._task.data(partition)
        if partition.index in self._attackers and self._attack in (LABEL_FLIP, LABEL_NOISE):
            own = Labelled(own.inputs, self._flipped(own.labels))
        return Holding(partition.index, own)

    def _flipped(self, labels: Tensor) -> Tensor:
        """Labels of which `FLIPPED` are wrong: y becomes 9 - y, or any other."""
        wrong = labels.clone()
        which = self._rng.permutation(len(labels))[: round(FLIPPED * len(labels))]
        if self._attack == LABEL_FLIP:
            wrong[which] = CLASSES - 1 - wrong[which]
        else:
            other = torch.from_numpy(self._rng.integers(1, CLASSES, len(which)))
            wrong[which] = (wrong[which] + other) % CLASSES
        return wrong

    def train(
        self, model: nn.Module, data: Holding, recipe: Recipe, rng: torch.Generator
    ) -> Mapping[str, float]:
        start = parameters_to_vector(model.parameters()).detach().clone()
        figures = self._task.train(model, data.data, recipe, rng)
        update = parameters_to_vector(model.parameters()).detach() - start
        if data.node not in self._attackers:
            self._honest[data.node] = update
        elif self._attack in _CHANGES:
            sent = _CHANGES[self._attack](update, self._honest, self._rng)
            with torch.no_grad():
                vector_to_parameters(start + sent, model.parameters())
        return figures


Change = Callable[[Tensor, Mapping[int, Tensor], np.random.Generator], Tensor]


def _hidden(update: Tensor, honest: Mapping[int, Tensor], rng: np.random.Generator) -> Tensor:
    known = torch.stack(list(honest.values()))
    return known.mean(0) - HIDDEN * known.std(0)


def _hidden_apart(update: Tensor, honest: Mapping[int, Tensor], rng: np.random.Generator) -> Tensor:
    spread = torch.stack(list(honest.values())).std(0)
    noise = torch.from_numpy(rng.standard_normal(len(update), np.float32))
    return _hidden(update, honest, rng) + APART * spread * noise


_CHANGES: Mapping[str, Change] = {
    SIGN_FLIP: lambda update, honest, rng: -update,
    SCALED: lambda update, honest, rng: SCALE * update,
    LITTLE: _hidden,
    LITTLE_APART: _hidden_apart,
}
