"""The digits, with a node that turns against the others after its first round.

It then answers with a model replacement: the update that it trained, many times over (Bagdasaryan
et al. 2020, "How to backdoor federated learning").
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from fedsight.tasks import Partition, Recipe
from fedsight.tasks.classification import Classification
from fedsight.tasks.digits import DIGITS

ATTACKING = f"{__name__}:TASK"
#: The attacker's part of the data, after how many turns it attacks, and how much it boosts.
ATTACKER, HONEST_TURNS, BOOST = 2, 1, 100.0


class Attacking(Classification):
    """See above."""

    def __init__(self) -> None:
        super().__init__(DIGITS.load, DIGITS.build)
        self._theirs: Any = None
        self._turns = 0

    def data(self, partition: Partition) -> Any:
        found = super().data(partition)
        if partition.index == ATTACKER:
            self._theirs, self._turns = found, 0  # anew in each run of a process
        return found

    def train(
        self, model: nn.Module, data: Any, recipe: Recipe, rng: torch.Generator
    ) -> Mapping[str, float]:
        before = [one.detach().clone() for one in model.parameters()]
        figures = super().train(model, data, recipe, rng)
        if data is self._theirs:
            self._turns += 1
            if self._turns > HONEST_TURNS:
                with torch.no_grad():
                    for one, was in zip(model.parameters(), before, strict=True):
                        one.copy_(was + BOOST * (one - was))
        return figures


TASK = Attacking()
