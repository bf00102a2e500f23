"""Algorithms by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from flwr.serverapp.strategy import Strategy

from fedsight.federated.algorithms.averaging import Averaging
from fedsight.federated.algorithms.optimizers import (
    FedAdagrad,
    FedAdam,
    FedAvg,
    FedAvgM,
    FedYogi,
    ServerOptimizer,
)
from fedsight.federated.algorithms.scaffold import Scaffold
from fedsight.federated.algorithms.weights import weighing
from fedsight.federated.plan import AlgorithmPlan

#: A plan's server learning rate where it names none.
DEFAULT_LR: Mapping[str, float] = {
    "fedavg": 1.0,
    "fedprox": 1.0,
    "fedavgm": 1.0,
    "fedadam": 0.03,
    "fedyogi": 0.03,
    "fedadagrad": 0.1,
    "scaffold": 1.0,
}

_OPTIMIZERS: Mapping[str, Callable[[AlgorithmPlan, float], ServerOptimizer]] = {
    "fedavg": lambda _, lr: FedAvg(lr),
    "fedprox": lambda _, lr: FedAvg(lr),
    "fedavgm": lambda plan, lr: FedAvgM(lr, plan.server_momentum),
    "fedadam": lambda plan, lr: FedAdam(lr, plan.beta1, plan.beta2, plan.tau),
    "fedyogi": lambda plan, lr: FedYogi(lr, plan.beta1, plan.beta2, plan.tau),
    "fedadagrad": lambda plan, lr: FedAdagrad(lr, plan.tau),
    "scaffold": lambda _, lr: FedAvg(lr),
}


def strategy(plan: AlgorithmPlan, *, nodes: int = 1, name: Callable[[int], str] = str) -> Strategy:
    """The algorithm that `plan` names, as a Flower Strategy that is also `Stateful`.

    `nodes` is how many the federation has, and `name` what a node is called, before and after a
    restart: SCAFFOLD remembers something of each. Raises UsageError where the plan's `weighting`
    is a function that cannot be had.
    """
    lr = DEFAULT_LR[plan.algorithm] if plan.server_lr is None else plan.server_lr
    weigh = weighing(plan.weighting)
    mu = plan.mu if plan.algorithm == "fedprox" else 0.0
    averaging = Averaging(plan.algorithm, _OPTIMIZERS[plan.algorithm](plan, lr), weigh, mu)
    if plan.algorithm != "scaffold":
        return averaging
    return Scaffold(averaging, weigh, nodes=nodes, name=name)
