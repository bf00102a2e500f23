"""Classifying labelled images: the part that the built-in image tasks share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from fedsight.tasks.partition import split
from fedsight.tasks.task import Partition, Recipe

EVALUATION_BATCH = 500


@dataclass(frozen=True)
class Labelled:
    """Inputs (n, ...) float32 and class labels (n,) int64."""

    inputs: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class Pooled:
    """A whole data set: what the nodes share out, and what the server keeps to evaluate on."""

    training: Labelled
    held_out: Labelled


@dataclass
class Classification:
    """A `Task`, and `Scored`, over one pooled, labelled data set.

    `load` reads the data set once, when it is first needed; `build` makes an untrained model from
    a seeded generator.
    """

    load: Callable[[], Pooled]
    build: Callable[[torch.Generator], nn.Module]
    _pooled: Pooled | None = field(default=None, init=False, repr=False)
    _parts: tuple[Partition, list[Tensor]] | None = field(default=None, init=False, repr=False)

    def model(self, seed: int) -> nn.Module:
        return self.build(torch.Generator().manual_seed(seed))

    def pooled(self) -> Pooled:
        """The whole data set: for a centrally trained reference."""
        if self._pooled is None:
            self._pooled = self.load()
        return self._pooled

    def data(self, partition: Partition) -> Labelled:
        training = self.pooled().training
        mine = self._indices(partition)[partition.index]
        return Labelled(training.inputs[mine], training.labels[mine])

    def held_out(self) -> Labelled:
        return self.pooled().held_out

    def train(
        self, model: nn.Module, data: Labelled, recipe: Recipe, rng: torch.Generator
    ) -> Mapping[str, float]:
        """Plain SGD over shuffled batches; loss and accuracy are the last epoch's, as it ran."""
        model.train()
        optimizer = torch.optim.SGD(model.parameters(), lr=recipe.lr, momentum=recipe.momentum)
        loss_sum = torch.zeros(())
        correct = torch.zeros((), dtype=torch.int64)
        for epoch in range(recipe.epochs):
            last = epoch == recipe.epochs - 1
            order = torch.randperm(len(data), generator=rng)
            for start in range(0, len(data), recipe.batch_size):
                batch = order[start : start + recipe.batch_size]
                labels = data.labels[batch]
                scores = model(data.inputs[batch])
                loss = cross_entropy(scores, labels)
                optimizer.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                optimizer.step()
                if last:
                    loss_sum += loss.detach() * len(batch)
                    correct += (scores.argmax(1) == labels).sum()
        return {"loss": float(loss_sum) / len(data), "accuracy": int(correct) / len(data)}

    def evaluate(self, model: nn.Module, data: Labelled) -> Mapping[str, float]:
        model.eval()
        loss, correct = 0.0, 0
        with torch.inference_mode():
            for start in range(0, len(data), EVALUATION_BATCH):
                batch = slice(start, start + EVALUATION_BATCH)
                scores, labels = model(data.inputs[batch]), data.labels[batch]
                loss += float(cross_entropy(scores, labels, reduction="sum"))
                correct += int((scores.argmax(1) == labels).sum())
        return {"loss": loss / len(data), "accuracy": correct / len(data)}

    def tensors(self, data: Labelled) -> tuple[Tensor, Tensor]:
        """See `Scored`."""
        return data.inputs, data.labels

    def score(
        self, model: Callable[[Tensor], Tensor], inputs: Tensor, labels: Tensor
    ) -> tuple[Tensor, Tensor]:
        """See `Scored`."""
        scores = model(inputs)
        losses = cross_entropy(scores, labels, reduction="none")
        return losses, scores.argmax(1) == labels

    def _indices(self, partition: Partition) -> list[Tensor]:
        """All nodes' indices, kept for the next node of the same split."""
        whole = Partition(0, partition.count, partition.scheme, partition.alpha, partition.seed)
        if self._parts is None or self._parts[0] != whole:
            parts = split(self.pooled().training.labels.numpy(), whole)
            self._parts = (whole, [torch.from_numpy(part) for part in parts])
        return self._parts[1]


def initialise(model: nn.Module, rng: torch.Generator) -> nn.Module:
    """He-uniform weights and zero biases for every layer, drawn from `rng` alone.

    He et al. 2015, "Delving deep into rectifiers".
    """
    for parameter in model.parameters():
        if parameter.dim() > 1:
            nn.init.kaiming_uniform_(parameter, nonlinearity="relu", generator=rng)
        else:
            nn.init.zeros_(parameter)
    return model
