"""A peer: pfl-research's simulation (Apple), its SimulatedBackend and FederatedAveraging.

The same model, the same split of the data and one local step over all of a node's samples, ten
nodes in turn each round. Its local step neither shuffles nor measures loss and accuracy, as
fedsight's task does: it does a little less. Started by `peers.Peer`.

Granqvist et al. 2024, "pfl-research: simulation framework for accelerating research in private
federated learning".
"""

from __future__ import annotations

import logging
import sys
from types import MethodType
from typing import Any

import torch
from pfl.aggregate.simulate import SimulatedBackend  # type: ignore[import-untyped]
from pfl.aggregate.weighting import WeightByDatapoints  # type: ignore[import-untyped]
from pfl.algorithm.base import NNAlgorithmParams  # type: ignore[import-untyped]
from pfl.algorithm.federated_averaging import FederatedAveraging  # type: ignore[import-untyped]
from pfl.callback.base import TrainingProcessCallback  # type: ignore[import-untyped]
from pfl.data.dataset import Dataset  # type: ignore[import-untyped]
from pfl.data.federated_dataset import FederatedDataset  # type: ignore[import-untyped]
from pfl.data.sampling import MinimizeReuseUserSampler  # type: ignore[import-untyped]
from pfl.hyperparam.base import NNTrainHyperParams  # type: ignore[import-untyped]
from pfl.metrics import Metrics  # type: ignore[import-untyped]
from pfl.model.pytorch import PyTorchModel  # type: ignore[import-untyped]
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from benchmarks.peers import NoMoreTurnsError, Turns, plan_of
from benchmarks.plain import first_weights, partition
from fedsight.federated.plan import Plan
from fedsight.tasks import Task, load

_ENDLESS = 1_000_000_000


def main() -> None:
    """Train until the parent wants no more rounds."""
    torch.set_num_threads(1)
    logging.disable(logging.WARNING)
    turns, plan = Turns(), plan_of(sys.argv)
    task = load(plan.task)
    module = task.model(first_weights(plan))
    before = task.evaluate(module, task.held_out())["loss"]
    _train(plan, task, module, turns)
    turns.farewell(before, task.evaluate(module, task.held_out())["loss"])


def _train(plan: Plan, task: Task, module: nn.Module, turns: Turns) -> None:
    try:
        FederatedAveraging().run(
            NNAlgorithmParams(
                central_num_iterations=_ENDLESS,
                evaluation_frequency=_ENDLESS,
                train_cohort_size=round(plan.fraction * plan.nodes),
                val_cohort_size=None,
            ),
            SimulatedBackend(_federated(plan, task), None, [WeightByDatapoints()]),
            _model(plan, module),
            NNTrainHyperParams(
                local_num_epochs=plan.epochs,
                local_learning_rate=plan.lr,
                local_batch_size=plan.batch_size,
            ),
            callbacks=[_WaitForTurns(turns)],
            send_metrics_to_platform=False,
        )
    except NoMoreTurnsError:
        return


class _WaitForTurns(TrainingProcessCallback):  # type: ignore[misc]
    """Begins, and after each round waits, while it is not this peer's turn."""

    def __init__(self, turns: Turns) -> None:
        self._turns = turns

    def on_train_begin(self, *, model: Any) -> Any:
        self._turns.begin()
        return Metrics()

    def after_central_iteration(
        self, aggregate_metrics: Any, model: Any, *, central_iteration: int
    ) -> tuple[bool, Any]:
        self._turns.round_ended()
        return False, Metrics()


def _federated(plan: Plan, task: Task) -> Any:
    parts = [task.data(partition(plan, index)) for index in range(plan.nodes)]
    datasets = [Dataset((part.inputs, part.labels)) for part in parts]
    sampler = MinimizeReuseUserSampler(range(plan.nodes))
    return FederatedDataset(lambda index: datasets[index], sampler)


def _model(plan: Plan, module: nn.Module) -> Any:
    """The module with the two methods that pfl-research asks of it."""

    def loss(self: nn.Module, inputs: Tensor, labels: Tensor, **_: Any) -> Tensor:
        return cross_entropy(self(inputs), labels)

    def metrics(self: nn.Module, inputs: Tensor, labels: Tensor, **_: Any) -> dict[str, Any]:
        return {}

    for method in (loss, metrics):
        setattr(module, method.__name__, MethodType(method, module))
    central = torch.optim.SGD(module.parameters(), lr=1.0)

    def local(parameters: Any, lr: float) -> torch.optim.Optimizer:
        return torch.optim.SGD(parameters, lr=lr, momentum=plan.momentum)

    return PyTorchModel(module, local, central)


if __name__ == "__main__":
    main()
