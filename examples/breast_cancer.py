"""A task of your own: logistic regression on scikit-learn's breast cancer measurements.

    fedsight run --task examples.breast_cancer:BreastCancer --nodes 5 --rounds 10 --epochs 1

Everything a federated run needs to know is in one class with five methods.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from sklearn.datasets import load_breast_cancer
from torch.nn.functional import binary_cross_entropy_with_logits

from fedsight.tasks import Partition, Recipe
from fedsight.tasks.classification import Labelled
from fedsight.tasks.partition import split

HELD_OUT = 114


class BreastCancer:
    """569 tumours, 30 measurements each, malignant or benign."""

    def __init__(self) -> None:
        inputs, labels = load_breast_cancer(return_X_y=True)
        inputs = (inputs - inputs.mean(0)) / inputs.std(0)
        order = np.random.default_rng(0).permutation(len(labels))
        everything = Labelled(
            torch.from_numpy(inputs[order]).float(), torch.from_numpy(labels[order])
        )
        self._held_out = Labelled(everything.inputs[:HELD_OUT], everything.labels[:HELD_OUT])
        self._training = Labelled(everything.inputs[HELD_OUT:], everything.labels[HELD_OUT:])

    def model(self, seed: int) -> torch.nn.Module:
        """One weight a measurement; starts at zero, so the seed does not matter."""
        model = torch.nn.Linear(30, 1)
        torch.nn.init.zeros_(model.weight)
        torch.nn.init.zeros_(model.bias)
        return model

    def data(self, partition: Partition) -> Labelled:
        """One node's tumours."""
        mine = torch.from_numpy(split(self._training.labels.numpy(), partition)[partition.index])
        return Labelled(self._training.inputs[mine], self._training.labels[mine])

    def held_out(self) -> Labelled:
        """What the server evaluates on."""
        return self._held_out

    def train(
        self, model: torch.nn.Module, data: Labelled, recipe: Recipe, rng: torch.Generator
    ) -> Mapping[str, float]:
        """Gradient descent over shuffled batches."""
        optimizer = torch.optim.SGD(model.parameters(), lr=recipe.lr, momentum=recipe.momentum)
        loss = torch.zeros(())
        for _ in range(recipe.epochs):
            order = torch.randperm(len(data), generator=rng)
            for start in range(0, len(data), recipe.batch_size):
                batch = order[start : start + recipe.batch_size]
                scores = model(data.inputs[batch]).squeeze(1)
                loss = binary_cross_entropy_with_logits(scores, data.labels[batch].float())
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
        return {"loss": loss.item()}

    def evaluate(self, model: torch.nn.Module, data: Labelled) -> Mapping[str, float]:
        """Loss and accuracy."""
        with torch.inference_mode():
            scores = model(data.inputs).squeeze(1)
            loss = binary_cross_entropy_with_logits(scores, data.labels.float())
            correct = (scores > 0) == (data.labels > 0)
        return {"loss": loss.item(), "accuracy": correct.float().mean().item()}
