"""The limit: federated averaging as a plain PyTorch loop, without any framework.

What somebody writes in an afternoon: no Flower, no messages, nothing observed. It draws the same
random numbers as fedsight and adds up in the same order, so that both must end with the same bits.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor

from benchmarks.measuring import Rounds
from fedsight.federated.flat import Vector
from fedsight.federated.node.client import stream
from fedsight.federated.plan import Plan
from fedsight.federated.selection import random_fraction
from fedsight.tasks import Partition, Recipe, Task
from fedsight.tasks.task import Scheme

State = dict[str, Tensor]

#: The names of fedsight's random streams for first weights and for local training.
_INITIAL_WEIGHTS, _LOCAL_TRAINING = 0, 1


@dataclass(frozen=True)
class Trained:
    """One run: how long its rounds took, and the model it ended with, shape (n,)."""

    rounds: Rounds
    vector: Vector


class PlainLoop:
    """Trains `plan` on `task`, round by round; does not evaluate."""

    def __init__(self, task: Task, plan: Plan) -> None:
        self._task = task
        self._plan = plan
        self._model = task.model(first_weights(plan))
        self._data = [task.data(partition(plan, index)) for index in range(plan.nodes)]
        self._recipe = Recipe(plan.epochs, plan.lr, plan.momentum, plan.batch_size)
        self._choose = random_fraction(plan.fraction, plan.seed)
        self._rng = torch.Generator()

    def run(self) -> Trained:
        """All rounds of the plan, timed one by one."""
        state = {name: value.clone() for name, value in self._model.state_dict().items()}
        seconds = []
        for round_ in range(1, self._plan.rounds + 1):
            started = time.perf_counter()
            state = self._round(round_, state)
            seconds.append(time.perf_counter() - started)
        vector = torch.cat([value.reshape(-1) for value in state.values()]).numpy()
        return Trained(Rounds(tuple(seconds)), vector)

    def _round(self, round_: int, state: State) -> State:
        """The mean of the chosen nodes' models, weighted by their samples."""
        total: State = {}
        samples = 0
        for index in self._choose(round_, range(self._plan.nodes)):
            self._model.load_state_dict(state)
            data = self._data[index]
            self._rng.manual_seed(stream(self._plan.seed, _LOCAL_TRAINING, index, round_))
            self._task.train(self._model, data, self._recipe, self._rng)
            for name, value in self._model.state_dict().items():
                if name in total:
                    total[name] += value * len(data)
                else:
                    total[name] = value * len(data)
            samples += len(data)
        return {name: value / samples for name, value in total.items()}


def first_weights(plan: Plan) -> int:
    """The seed of the weights that a run of the plan starts from."""
    return stream(plan.seed, _INITIAL_WEIGHTS) >> 1


def partition(plan: Plan, index: int) -> Partition:
    """Which part of the data is that node's."""
    return Partition(index, plan.nodes, cast(Scheme, plan.partition), plan.alpha, plan.seed)


#: A run from the first weights, anew at each call; preparing it is not timed.
Run = Callable[[], Trained]


def plain_run(task: Task, plan: Plan) -> Run:
    """Runs of the plain loop."""
    return lambda: PlainLoop(task, plan).run()
