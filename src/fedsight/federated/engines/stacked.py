"""Many models of one shape trained at once: each is a row of one tensor, shape (C, P).

One forward and one backward a step for all: no model's loss depends on another's parameters, so
the gradient of the summed losses is, row by row, each model's own. The arithmetic is that of
`torch.optim.SGD` on one model after the other; sums come in another order, so results are equal to
float precision and not bit for bit.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap
from torch.nn.utils.rnn import pad_sequence

from fedsight.federated.flat import Entry
from fedsight.tasks import Recipe, Scored

#: Layers that do the same to every number: on a stack of models they are what they are on one.
_ELEMENTWISE = {nn.ReLU, nn.LeakyReLU, nn.ELU, nn.GELU, nn.SiLU, nn.Sigmoid, nn.Tanh, nn.Identity}

Leaves = dict[str, Tensor]


@dataclass(frozen=True)
class Shares:
    """C nodes' samples in one tensor: node i has `sizes[i]` of them from `starts[i]` on.

    `inputs` (N, ...), `labels` (N, ...); sizes descend. `seeds` are of each node's own stream.
    """

    inputs: Tensor
    labels: Tensor
    starts: Sequence[int]
    sizes: Sequence[int]
    seeds: Sequence[int]


@dataclass(frozen=True)
class Figures:
    """Of the last epoch, each node's, shape (C,): mean loss, and ratio correct where known."""

    loss: list[float]
    accuracy: list[float] | None


class Stack:
    """Trains stacked models of a task by its `score`, with SGD as the recipe says."""

    def __init__(
        self, task: Scored, model: nn.Module, manifest: Sequence[Entry], recipe: Recipe
    ) -> None:
        self._task = task
        self._model = model
        self._manifest = manifest
        self._recipe = recipe
        self._layers = [*model.named_modules(remove_duplicate=False)][1:]
        self._rngs: list[torch.Generator] = []
        self._forward = self._dense if is_dense(model) else self._vmapped

    def train(self, flat: Tensor, shares: Shares) -> Figures:
        """Train every row of `flat`, shape (C, P), in place."""
        if not self._model.training:
            self._model.train()
        rngs = self._streams(shares.seeds)
        starts, sizes = torch.tensor([shares.starts, shares.sizes])[:, :, None]
        ascending = shares.sizes[::-1]
        tally = _Tally(len(flat))
        sgd = _SGD(flat, self._recipe)
        leaves: Leaves = {}
        for epoch in range(self._recipe.epochs):
            order = _shuffled(shares.sizes, rngs) + starts
            for at in range(0, shares.sizes[0], self._recipe.batch_size):
                active = len(ascending) - bisect_left(ascending, at + 1)
                if epoch == at == 0 or active != len(next(iter(leaves.values()))):
                    leaves = self._leaves(flat[:active])
                batch = _Batch.of(order[:active], sizes[:active], at, self._recipe.batch_size)
                losses, correct = self._step(sgd, leaves, shares, batch)
                if epoch == self._recipe.epochs - 1:
                    tally.add(losses, correct, batch.valid)
        return tally.figures(shares.sizes)

    def _step(
        self, sgd: _SGD, leaves: Leaves, shares: Shares, batch: _Batch
    ) -> tuple[Tensor, Tensor | None]:
        """One SGD step of the rows that have a batch left; their losses and hits, (k, W)."""
        shape = batch.index.shape
        at = batch.index.reshape(-1)

        def model(inputs: Tensor) -> Tensor:
            outputs = self._forward(leaves, inputs.view(*shape, *inputs.shape[1:]))
            return outputs.flatten(0, 1)

        losses, correct = self._task.score(model, shares.inputs[at], shares.labels[at])
        losses = losses.view(shape)
        gradients = torch.autograd.grad(
            losses,
            list(leaves.values()),
            batch.weight.to(losses.dtype),  # the gradient of each node's mean loss
            allow_unused=True,
            materialize_grads=True,
        )
        sgd.step(torch.cat([gradient.reshape(shape[0], -1) for gradient in gradients], dim=1))
        return losses.detach(), None if correct is None else correct.view(shape)

    def _leaves(self, flat: Tensor) -> Leaves:
        """The parameters, stacked: views of `flat` that gradients are taken of."""
        return {
            entry.name: flat[:, entry.start : entry.stop]
            .view(len(flat), *entry.shape)
            .detach()
            .requires_grad_()
            for entry in self._manifest
        }

    def _vmapped(self, leaves: Leaves, inputs: Tensor) -> Tensor:
        """Any model: inputs (k, W, ...) to outputs (k, W, ...)."""

        def one(parameters: Leaves, samples: Tensor) -> Tensor:
            outputs: Tensor = functional_call(self._model, parameters, (samples,))
            return outputs

        stacked: Callable[[Leaves, Tensor], Tensor] = vmap(one)
        return stacked(leaves, inputs)

    def _dense(self, leaves: Leaves, values: Tensor) -> Tensor:
        """The same for a chain of dense layers, in half the time of `vmap`."""
        for name, layer in self._layers:
            if type(layer) is not nn.Linear:
                values = layer(values)
                continue
            weight = leaves[f"{name}.weight"].transpose(1, 2)
            bias = leaves.get(f"{name}.bias")
            if bias is None:
                values = torch.bmm(values, weight)
            else:
                values = torch.baddbmm(bias[:, None], values, weight)
        return values

    def _streams(self, seeds: Sequence[int]) -> list[torch.Generator]:
        while len(self._rngs) < len(seeds):
            self._rngs.append(torch.Generator())
        for rng, seed in zip(self._rngs, seeds, strict=False):
            rng.manual_seed(seed)
        return self._rngs[: len(seeds)]


@dataclass(frozen=True)
class _Batch:
    """A batch of each of k nodes, W wide: places (k, W), which are real, and their weights.

    What pads a short batch repeats its first sample with weight 0.
    """

    index: Tensor
    valid: Tensor
    weight: Tensor

    @classmethod
    def of(cls, order: Tensor, sizes: Tensor, at: int, batch_size: int) -> _Batch:
        places = order[:, at : at + batch_size]
        counts = (sizes - at).clamp_(max=batch_size)
        valid = torch.arange(places.shape[1]) < counts
        return cls(torch.where(valid, places, places[:, :1]), valid, valid / counts)


class _SGD:
    """`torch.optim.SGD` with momentum, of stacked models `flat` (C, P), changed in place."""

    def __init__(self, flat: Tensor, recipe: Recipe) -> None:
        self._flat = flat
        self._recipe = recipe
        self._velocity: Tensor | None = None

    def step(self, gradient: Tensor) -> None:
        """Move the first k models by `gradient` (k, P); all of them at first."""
        velocity = gradient
        if self._velocity is None:
            self._velocity = gradient
        else:
            velocity = self._velocity[: len(gradient)]
            velocity.mul_(self._recipe.momentum).add_(gradient)
        self._flat[: len(gradient)].add_(velocity, alpha=-self._recipe.lr)


class _Tally:
    """Sums up losses and hits of the rows as their batches come."""

    def __init__(self, rows: int) -> None:
        self._loss = torch.zeros(rows)
        self._correct = torch.zeros(rows, dtype=torch.int64)
        self._known = False

    def add(self, losses: Tensor, correct: Tensor | None, valid: Tensor) -> None:
        rows = len(valid)
        self._loss[:rows] += (losses * valid).sum(1)
        if correct is not None:
            self._known = True
            self._correct[:rows] += (correct & valid).sum(1)

    def figures(self, sizes: Sequence[int]) -> Figures:
        def means(sums: Tensor) -> list[float]:
            return [total / size for total, size in zip(sums.tolist(), sizes, strict=True)]

        return Figures(means(self._loss), means(self._correct) if self._known else None)


def _shuffled(sizes: Sequence[int], rngs: Sequence[torch.Generator]) -> Tensor:
    """One epoch's order of each node's samples, from its own stream; (C, longest), padded."""
    pairs = zip(sizes, rngs, strict=True)
    return pad_sequence([torch.randperm(n, generator=rng) for n, rng in pairs], batch_first=True)


def is_dense(model: nn.Module) -> bool:
    """Whether it is a plain chain of dense layers and functions of single numbers."""
    if type(model) is not nn.Sequential:
        return False
    layers = list(model)
    if any(layer._forward_hooks or layer._forward_pre_hooks for layer in (model, *layers)):
        return False
    parameters = [id(parameter) for layer in layers for parameter in layer.parameters()]
    known = all(type(layer) is nn.Linear or type(layer) in _ELEMENTWISE for layer in layers)
    return known and len(set(parameters)) == len(parameters)
