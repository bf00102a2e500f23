"""Whether a task's models can be trained together, and if not, why: told, never guessed.

What is known to be wrong is looked for by name. Whatever else could make a cohort's model another
than the loop's (another optimiser, samples that see each other, hidden randomness) is found by
training two nodes both ways and comparing.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace

import numpy as np
import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd
from torch.nn.modules.dropout import _DropoutNd

from fedsight.errors import told
from fedsight.federated.engines.cohort import ADDED, UNFIT_ERRORS, Cohort, Holdings
from fedsight.federated.engines.stacked import Shares, Stack
from fedsight.federated.flat import FlatModel, Vector
from fedsight.federated.node.client import Trainer
from fedsight.federated.plan import AlgorithmPlan
from fedsight.tasks import Recipe, Scored, Task

#: How far both ways may differ, as a part of how far training moved the model.
MOST_DIFFERENCE = 1e-2
#: Two epochs show momentum and a second shuffle; more would let rounding errors grow.
TRIED_EPOCHS = 2
#: Nodes that both ways are compared on, and how many are tried to find them.
WANTED, MOST_TRIED = 2, 5

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


def needs_loop(plan: AlgorithmPlan) -> str | None:
    """Why nodes of that algorithm train one after the other; None where they need not."""
    added = plan.algorithm in ("fedprox", "scaffold")
    return f"{plan.algorithm}: {ADDED}" if added else None


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
    """Train two small nodes of different sizes both ways; None where both agree."""
    recipe = replace(recipe, epochs=min(recipe.epochs, TRIED_EPOCHS))
    start = model.vector()
    with torch.random.fork_rng(devices=[]):
        tried, alone = _trained_alone(task, model, recipe, trainers, start)
        model.load(start)
        if not tried:
            return "of no node tried could the data be loaded and trained on"
        together = _together(task, model, recipe, tried, start)
    for one, other in zip(alone, together, strict=True):
        difference, moved = float(np.abs(one - other).max()), float(np.abs(one - start).max())
        if not difference <= MOST_DIFFERENCE * moved:
            return (
                f"the task's `train` and SGD on its `score` give different models"
                f" (by {difference:.2g}, where training moves them by {moved:.2g})"
            )
    return None


def _trained_alone(
    task: Task, model: FlatModel, recipe: Recipe, trainers: Mapping[int, Trainer], start: Vector
) -> tuple[list[Trainer], list[Vector]]:
    """The two smallest nodes of different sizes on which training works, larger first.

    A node that fails by itself says nothing about the cohort.
    """
    loaded = (trainer for trainer in trainers.values() if trainer.data is not None)
    sizes = {len(trainer.data): trainer for trainer in loaded}
    found: list[tuple[Trainer, Vector]] = []
    for size in sorted(sizes)[:MOST_TRIED]:
        with suppress(*UNFIT_ERRORS):
            vector = _alone(task, model, recipe, sizes[size], start)
            if np.isfinite(vector).all():
                found.insert(0, (sizes[size], vector))
        if len(found) == WANTED:
            break
    return [trainer for trainer, _ in found], [vector for _, vector in found]


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
