"""How a model is trained on a node: in a round, and for itself after the rounds."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils import clip_grad_norm_

from fedsight.errors import UsageError
from fedsight.forecast.model import Forecaster
from fedsight.forecast.sequences import Examples

EVALUATION_BATCH = 1024


@dataclass(frozen=True)
class Schedule:
    """Adam from `lr` down to `last_lr` by half a cosine, over `epochs`, gradients clipped.

    `share` of the examples, drawn anew each epoch, is trained on: neighbouring windows are almost
    the same. `eps` is what Adam adds to the root of the mean square of a gradient: a weight whose
    gradients are far below it hardly moves, where Adam else takes a whole step for each.
    """

    epochs: int = 2
    lr: float = 1e-2
    last_lr: float = 1e-3
    batch_size: int = 64
    clip: float = 1.0
    share: float = 0.5
    eps: float = 1e-8

    def __post_init__(self) -> None:
        if self.epochs < 1 or self.batch_size < 1 or not 0 < self.share <= 1:
            raise UsageError(
                f"epochs={self.epochs!r}, batch_size={self.batch_size!r}, share={self.share!r}: "
                "at least 1, at least 1, and above 0 up to 1"
            )
        if not 0 < self.last_lr <= self.lr or self.clip <= 0 or self.eps <= 0:
            raise UsageError(
                f"lr={self.lr!r}, last_lr={self.last_lr!r}, clip={self.clip!r}, eps={self.eps!r}: "
                "above 0, and last_lr at most lr"
            )

    def batches(self, examples: int) -> int:
        """How many batches an epoch has."""
        return max(1, math.ceil(examples * self.share / self.batch_size))

    def rate(self, done: int, total: int) -> float:
        """The learning rate after `done` of `total` batches."""
        return self.last_lr + (self.lr - self.last_lr) * (1 + math.cos(math.pi * done / total)) / 2


#: Rounds of a federation: few steps each, or nodes' models drift apart. In the first half of the
#: rounds Adam as usual learns fast, but each node has much the same say in every weight, however
#: little it gains; in the second half (`eps`) a node's say is nearly its gradient, as if all data
#: were in one place.
ROUND = Schedule(epochs=1, lr=1e-2, last_lr=3e-3, share=0.2)
LATER_ROUND = replace(ROUND, lr=3e-2, last_lr=1e-3, eps=3e-3)
#: A turn of one model on one body of data; as many steps as five rounds.
TURN = Schedule()
#: The fine-tuning of a node for itself.
PERSONAL = Schedule(epochs=3, lr=3e-3, last_lr=3e-4, share=1.0)
TURNS = 6
#: Turns of a model that begins on the node from nothing: as many steps as a federation's rounds.
ALONE_TURNS = 30


def of_round(done: int, rounds: int) -> Schedule:
    """How a node trains after `done` of all `rounds`: at one rate within a round, which falls from
    round to round in each half of them."""
    half = -(-rounds // 2)
    if done < half:
        like, rate = ROUND, ROUND.rate(done, half)
    else:
        like, rate = LATER_ROUND, LATER_ROUND.rate(done - half, rounds - half)
    return replace(like, lr=rate, last_lr=rate)


def train(
    model: Forecaster, examples: Examples, rng: torch.Generator, schedule: Schedule = TURN
) -> float:
    """Train `model` in place; returns the last epoch's mean pinball loss, as it ran.

    What is random is drawn from `rng` alone. The optimizer begins anew with each call.
    """
    model.train()
    levels = torch.tensor(model.shape.quantiles)
    optimizer = torch.optim.Adam(model.parameters(), lr=schedule.lr, eps=schedule.eps, fused=True)
    each = schedule.batches(len(examples))
    total, done, loss_sum = each * schedule.epochs, 0, 0.0
    for _ in range(schedule.epochs):
        loss_sum, count = 0.0, 0
        batches = examples.batches(schedule.batch_size, rng)
        for _, (inputs, targets) in zip(range(each), batches, strict=False):
            for group in optimizer.param_groups:
                group["lr"] = schedule.rate(done, total)
            # Not sorted: its gradient is the same where the quantiles are in order, and it is fast.
            loss = pinball(model.unsorted(inputs), targets, levels)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            clip_grad_norm_(model.parameters(), schedule.clip)
            optimizer.step()
            loss_sum += float(loss.detach()) * len(inputs)
            count, done = count + len(inputs), done + 1
        loss_sum /= count
    return loss_sum


def pinball(outputs: Tensor, targets: Tensor, levels: Tensor) -> Tensor:
    """The mean pinball loss of quantiles (batch, horizon, metrics, levels) of what came (batch,
    horizon, metrics): Koenker, Bassett 1978, "Regression quantiles"."""
    targets = targets[..., None]
    with torch.no_grad():
        slope = (outputs > targets).to(outputs.dtype) - levels
    return (slope * (outputs - targets)).mean()


def evaluate(model: Forecaster, examples: Examples) -> float:
    """The mean pinball loss of `model`, its quantiles in order; NaN without examples."""
    model.eval()
    levels, total = torch.tensor(model.shape.quantiles), 0.0
    with torch.inference_mode():
        for start in range(0, len(examples), EVALUATION_BATCH):
            part = slice(start, start + EVALUATION_BATCH)
            targets = examples.targets[part]
            total += float(pinball(model(examples.inputs[part]), targets, levels)) * len(targets)
    return total / len(examples) if len(examples) else math.nan


def personal(
    model: Forecaster,
    training: Examples,
    validation: Examples,
    rng: torch.Generator,
    schedule: Schedule = PERSONAL,
    turns: int = TURNS,
) -> Forecaster:
    """`model` fine-tuned as a whole on one node, for its validation part the best of all turns.

    That may be `model` itself, where no turn made it better there. Each turn goes on from the one
    before with the learning rate up again.
    """
    return _best(model, training, validation, rng, schedule, turns)


def alone(
    begun: Forecaster,
    training: Examples,
    validation: Examples,
    rng: torch.Generator,
    turns: int = ALONE_TURNS,
) -> Forecaster:
    """What a node, or whoever has all data, comes to by itself from a model that has learned
    nothing: the best of all turns, one at the least."""
    return _best(begun, training, validation, rng, TURN, turns, math.inf)


def own_model(
    model: Forecaster,
    training: Examples,
    validation: Examples,
    rng: torch.Generator,
    schedule: Schedule = PERSONAL,
) -> Forecaster:
    """The model that a node uses for itself: `model`, that fine-tuned, or one that begins from
    nothing and knows the node alone. Its median has the least error on the validation part.

    Turns are compared by the loss, in which each window counts in its own spread; these three by
    the error in one unit, as forecasts are judged: of a node that is flat and has bursts the loss
    is decided where nothing happens.
    """
    tuned = personal(model, training, validation, rng, schedule)
    by_itself = alone(Forecaster(model.shape, rng), training, validation, rng)
    found = (model, tuned, by_itself)
    return found[int(np.argmin([median_error(each, validation) for each in found]))]


def median_error(model: Forecaster, examples: Examples) -> float:
    """The mean absolute error of the median, in the nodes' standard deviations."""
    model.eval()
    middle, total = model.shape.quantiles.index(0.5), 0.0
    with torch.inference_mode():
        for start in range(0, len(examples), EVALUATION_BATCH):
            part = slice(start, start + EVALUATION_BATCH)
            off = model(examples.inputs[part])[..., middle] - examples.targets[part]
            away = off.abs().mean(dim=1).numpy() * examples.windows.spread[part]
            total += float(away.mean(axis=1).sum())
    return total / len(examples) if len(examples) else math.nan


def _best(
    model: Forecaster,
    training: Examples,
    validation: Examples,
    rng: torch.Generator,
    schedule: Schedule,
    turns: int,
    loss: float | None = None,
) -> Forecaster:
    """The best of all turns, or `model`, whose loss is `loss`; None: what it is."""
    best, least = model, evaluate(model, validation) if loss is None else loss
    tuned = copy.deepcopy(model)
    for _ in range(turns):
        train(tuned, training, rng, schedule)
        loss = evaluate(tuned, validation)
        if loss < least:
            best, least = copy.deepcopy(tuned), loss
    return best
