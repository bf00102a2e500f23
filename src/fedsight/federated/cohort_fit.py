"""Whether a task's models can be trained together, and if not, why: told, never guessed.

What is known to be wrong is looked for by name. Whatever else could make a cohort's model another
than the loop's (another optimiser, samples that see each other, hidden randomness) is found by
training two nodes both ways and comparing.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd
from torch.nn.modules.dropout import _DropoutNd

from fedsight.errors import told
from fedsight.federated.client import Trainer
from fedsight.federated.cohort import UNFIT_ERRORS, Cohort, Holdings
from fedsight.federated.flat import FlatModel, Vector
from fedsight.federated.stacked import Shares, Stack
from fedsight.tasks import Recipe, Scored, Task

#: How far both ways may differ, as a part of how far training moved the model.
MOST_DIFFERENCE = 1e-2
#: Two epochs show momentum and a second shuffle; more would let rounding errors grow.
TRIED_EPOCHS = 2

SLOW = "the model has convolutions: a cohort trains them, but not faster than the loop"


def cohort(
    task: Task, model: FlatModel, recipe: Recipe, trainers: Mapping[int, Trainer]
) -> Cohort | str:
    """The cohort of these nodes, or the reason why there can be none."""
    if not isinstance(task, Scored):
        return "the task has no methods `tensors` and `score`"
    reason = _unfit(model.model)
    if reason is not None:
        return reason
    try:
        reason = _disagreement(task, model, recipe, trainers)
        return Cohort(task, model, recipe, trainers) if reason is None else reason
    except UNFIT_ERRORS as error:  # the task's own code, or torch, cannot do it: that is the reason
        return told(error)


def doubt(model: FlatModel) -> str | None:
    """What speaks against a cohort of such models, though it can be had."""
    return SLOW if any(isinstance(layer, _ConvNd) for layer in model.model.modules()) else None


def _unfit(model: nn.Module) -> str | None:
    for layer in model.modules():
        if isinstance(layer, _DropoutNd | nn.RReLU):
            return f"the model draws random numbers ({type(layer).__name__})"
        if isinstance(layer, _BatchNorm):
            return f"in the model's {type(layer).__name__} samples of a batch depend on each other"
    buffers = [name for name, _ in model.named_buffers()]
    if buffers:
        return f"the model has buffers ({buffers[0]})"
    parameters = dict(model.named_parameters())
    dtypes = {str(parameter.dtype) for parameter in parameters.values()}
    if len(dtypes) != 1:
        return f"the model's parameters are of {len(dtypes)} dtypes ({', '.join(sorted(dtypes))})"
    frozen = [name for name, parameter in parameters.items() if not parameter.requires_grad]
    return f"the model's {frozen[0]} is not trained" if frozen else None


def _disagreement(
    task: Scored, model: FlatModel, recipe: Recipe, trainers: Mapping[int, Trainer]
) -> str | None:
    """Train the smallest node and the next larger one both ways; None where both agree."""
    loaded = sorted(
        (trainer for trainer in trainers.values() if trainer.data is not None),
        key=lambda trainer: len(trainer.data),
    )
    if not loaded:
        return "no node's data could be loaded"
    larger = (one for one in loaded if len(one.data) > len(loaded[0].data))
    tried = [*([found] if (found := next(larger, None)) is not None else []), loaded[0]]
    epochs = min(recipe.epochs, TRIED_EPOCHS)
    recipe = Recipe(epochs, recipe.lr, recipe.momentum, recipe.batch_size)
    start = model.vector()
    with torch.random.fork_rng(devices=[]):
        alone = [_alone(task, model, recipe, trainer, start) for trainer in tried]
        model.load(start)
        together = _together(task, model, recipe, tried, start)
    model.load(start)
    for one, other in zip(alone, together, strict=True):
        difference, moved = float(np.abs(one - other).max()), float(np.abs(one - start).max())
        if not difference <= MOST_DIFFERENCE * moved:
            return (
                f"the task's `train` and SGD on its `score` give different models"
                f" (by {difference:.2g}, where training moves them by {moved:.2g})"
            )
    return None


def _alone(task: Task, model: FlatModel, recipe: Recipe, trainer: Trainer, start: Vector) -> Vector:
    model.load(start)
    rng = torch.Generator().manual_seed(trainer.seed(0))
    task.train(model.model, trainer.data, recipe, rng)
    return model.vector()


def _together(
    task: Scored, model: FlatModel, recipe: Recipe, tried: list[Trainer], start: Vector
) -> Vector:
    """Both nodes' models, shape (2, P)."""
    holdings = Holdings(task, dict(enumerate(tried)))
    flat = torch.from_numpy(np.stack([start] * len(tried)))
    inputs, labels, starts = holdings.of(range(len(tried)))
    sizes = [len(trainer.data) for trainer in tried]
    shares = Shares(inputs, labels, starts, sizes, [trainer.seed(0) for trainer in tried])
    Stack(task, model.model, model.manifest, recipe).train(flat, shares)
    return flat.numpy()
