"""The ways to train one model, or one a node, over the same nodes; each as in the benchmark's rows.

A federation goes in rounds of few steps each (`of_round`), its rate falling over them; pooled
data and a node for itself go in turns of as many steps as five rounds (`training.alone`, the rate
down and up again). All keep what was best on validation, after each turn, or each five rounds.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from fedsight.forecast.model import Forecaster
from fedsight.forecast.processor import NodeData
from fedsight.forecast.scale import Array, Normalised
from fedsight.forecast.sequences import Examples, windows_at
from fedsight.forecast.training import alone, evaluate, of_round, train

#: Windows that go through a model at once.
BATCH = 1024
#: Rounds of a federation that have as many steps as one turn.
ROUNDS_A_TURN = 5


def federated(nodes: Sequence[NodeData], seed: int, rounds: int) -> Forecaster:
    """FedAvg over all nodes, each in each round, weighted by its examples (McMahan et al. 2017)."""
    model, rng = _fresh(nodes[0], seed)
    best = _Best(model)
    counts = torch.tensor([float(len(node)) for node in nodes])
    shares = counts / counts.sum()
    for round_ in range(rounds):
        start, total = _flat(model), torch.zeros(())
        for node, share in zip(nodes, shares, strict=True):
            vector_to_parameters(start, model.parameters())
            train(model, node.training, rng, of_round(round_, rounds))
            total = total + share * _flat(model)
        vector_to_parameters(total, model.parameters())
        if (round_ + 1) % ROUNDS_A_TURN == 0 or round_ + 1 == rounds:
            losses = torch.tensor([evaluate(model, node.validation) for node in nodes])
            best.offer(model, float((losses * shares).sum()))
    return best.model


def by_itself(
    training: Examples, validation: Examples, like: NodeData, seed: int, turns: int
) -> Forecaster:
    """One model for one body of data: a node's own, or the pooled data of all."""
    model, rng = _fresh(like, seed)
    return alone(model, training, validation, rng, turns)


def pooled(parts: Sequence[Examples]) -> Examples:
    """The examples of all nodes as one body."""
    windows = Normalised(
        *(
            np.concatenate([getattr(part.windows, name) for part in parts])
            for name in ("inputs", "centre", "spread")
        )
    )
    return Examples(
        torch.cat([part.inputs for part in parts]),
        torch.cat([part.targets for part in parts]),
        windows,
        np.concatenate([part.origins for part in parts]),
    )


def foreseen(model: Forecaster, node: NodeData, at: Array) -> Array:
    """Forecasts (n, horizon, quantiles) of a node's one metric, in real units, from rows `at`."""
    windows = windows_at(node.scale.unitless(node.values), at, node.shape, node.scale.level)
    inputs = torch.from_numpy(windows.inputs).float()
    with torch.inference_mode():
        parts = [model(inputs[start : start + BATCH]) for start in range(0, len(inputs), BATCH)]
    found = windows.back(torch.cat(parts).numpy().astype(float))[:, :, 0]
    return node.scale.real(found)


class _Best:
    """The model that was best on validation so far."""

    def __init__(self, model: Forecaster) -> None:
        self.model = model
        self._least = np.inf

    def offer(self, model: Forecaster, loss: float) -> None:
        if loss < self._least:
            self.model, self._least = copy.deepcopy(model), loss


def _fresh(like: NodeData, seed: int) -> tuple[Forecaster, torch.Generator]:
    rng = torch.Generator().manual_seed(seed)
    return Forecaster(like.shape, rng), rng


def _flat(model: Forecaster) -> Tensor:
    return parameters_to_vector(model.parameters()).detach().clone()
