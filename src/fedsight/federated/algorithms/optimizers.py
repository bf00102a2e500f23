"""Server optimizers: the next global model from the mean of what the nodes sent.

Reddi et al. 2021, "Adaptive federated optimization", calls the difference between that mean and
the global model a pseudo-gradient, Δ, and takes an optimizer's step along it. Each optimizer here
is its constants and two pure functions on flat vectors, shape (n,): `init` gives what it remembers,
`apply` one step. All are elementwise, so that a step may be made part by part (`stepped`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from fedsight.federated.algorithms.mean import BLOCK
from fedsight.federated.flat import Vector

#: What an optimizer remembers between rounds: vectors by name, each as long as the model.
Moments = Mapping[str, Vector]


class ServerOptimizer(Protocol):
    """One step a round from the model x to the next, by the mean of the nodes' models."""

    def init(self, model: Vector) -> Moments:
        """What it remembers before the first round."""

    def apply(
        self, model: Vector, mean: Vector, moments: Moments, round: int
    ) -> tuple[Vector, Moments]:
        """The next model, and what to remember; writes to none of what it is given."""


@dataclass(frozen=True)
class FedAvg:
    """x ← x + η Δ; with η = 1 the mean itself.

    McMahan et al. 2017, "Communication-efficient learning of deep networks from decentralized
    data"; η is Reddi et al.'s server learning rate.
    """

    lr: float = 1.0

    def init(self, model: Vector) -> Moments:
        return {}

    def apply(
        self, model: Vector, mean: Vector, moments: Moments, round: int
    ) -> tuple[Vector, Moments]:
        return (mean if self.lr == 1.0 else model + self.lr * (mean - model)), {}


@dataclass(frozen=True)
class FedAvgM:
    """v ← β v + Δ;  x ← x + η v.

    Hsu, Qi, Brown 2019, "Measuring the effects of non-identical data distribution for federated
    visual classification".
    """

    lr: float = 1.0
    momentum: float = 0.9

    def init(self, model: Vector) -> Moments:
        return {"v": np.zeros_like(model)}

    def apply(
        self, model: Vector, mean: Vector, moments: Moments, round: int
    ) -> tuple[Vector, Moments]:
        v = self.momentum * moments["v"] + (mean - model)
        return model + self.lr * v, {"v": v}


@dataclass(frozen=True)
class FedAdagrad:
    """v ← v + Δ²;  x ← x + η Δ / (√v + τ). Reddi et al. 2021, algorithm 2, with β₁ = 0."""

    lr: float = 0.1
    tau: float = 1e-3

    def init(self, model: Vector) -> Moments:
        return {"v": np.zeros_like(model)}

    def apply(
        self, model: Vector, mean: Vector, moments: Moments, round: int
    ) -> tuple[Vector, Moments]:
        delta = mean - model
        v = moments["v"] + delta * delta
        return model + self.lr * delta / (np.sqrt(v) + self.tau), {"v": v}


@dataclass(frozen=True)
class FedAdam:
    """m ← β₁ m + (1 - β₁) Δ;  v ← β₂ v + (1 - β₂) Δ²;  x ← x + η_t m / (√v + τ).

    Reddi et al. 2021, algorithm 2. As in Flower, η_t = η √(1 - β₂^(t+1)) / (1 - β₁^(t+1)) in round
    t, counted from 1: the bias correction of Kingma and Ba 2015, one round ahead.
    """

    lr: float = 0.03
    beta1: float = 0.9
    beta2: float = 0.99
    tau: float = 1e-3

    def init(self, model: Vector) -> Moments:
        return {"m": np.zeros_like(model), "v": np.zeros_like(model)}

    def apply(
        self, model: Vector, mean: Vector, moments: Moments, round: int
    ) -> tuple[Vector, Moments]:
        delta = mean - model
        m = self.beta1 * moments["m"] + (1 - self.beta1) * delta
        v = self.beta2 * moments["v"] + (1 - self.beta2) * (delta * delta)
        lr = self.lr * (1 - self.beta2 ** (round + 1)) ** 0.5 / (1 - self.beta1 ** (round + 1))
        return model + lr * m / (np.sqrt(v) + self.tau), {"m": m, "v": v}


@dataclass(frozen=True)
class FedYogi:
    """m as FedAdam's;  v ← v - (1 - β₂) Δ² sign(v - Δ²);  x ← x + η m / (√v + τ).

    Reddi et al. 2021, algorithm 2: v moves towards Δ² by steps that Δ² alone sets.
    """

    lr: float = 0.03
    beta1: float = 0.9
    beta2: float = 0.99
    tau: float = 1e-3

    def init(self, model: Vector) -> Moments:
        return {"m": np.zeros_like(model), "v": np.zeros_like(model)}

    def apply(
        self, model: Vector, mean: Vector, moments: Moments, round: int
    ) -> tuple[Vector, Moments]:
        delta = mean - model
        square = delta * delta
        m = self.beta1 * moments["m"] + (1 - self.beta1) * delta
        v = moments["v"] - (1 - self.beta2) * square * np.sign(moments["v"] - square)
        return model + self.lr * m / (np.sqrt(v) + self.tau), {"m": m, "v": v}


def stepped(
    optimizer: ServerOptimizer, model: Vector, mean: Vector, moments: Moments, round: int
) -> tuple[Vector, Moments]:
    """`optimizer.apply`, a block at a time: the same values, and no temporary as long as a model.

    The next model takes the place of `mean`; `model` and `moments` are not written to. Raises
    ValueError where the moments are of another model.
    """
    if any(vector.shape != model.shape for vector in moments.values()):
        raise ValueError(f"what the algorithm remembers is not of a model of {len(model)} values")
    after = {name: np.empty_like(vector) for name, vector in moments.items()}
    for start in range(0, len(model), BLOCK):
        at = slice(start, start + BLOCK)
        known = {name: vector[at] for name, vector in moments.items()}
        part = mean[at]
        moved, remembered = optimizer.apply(model[at], part, known, round)
        if moved is not part:
            part[:] = moved
        for name, vector in remembered.items():
            after[name][at] = vector
    return mean, after
