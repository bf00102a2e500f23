"""fedsight's own simulation, as the benchmarks time it."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import torch
from flwr.serverapp.strategy import Result

from benchmarks.measuring import Rounds
from benchmarks.plain import Run, Trained
from fedsight.errors import FedsightError
from fedsight.federated import codec
from fedsight.federated.algorithms import strategy as algorithm
from fedsight.federated.engines.simulated import Simulation
from fedsight.federated.flat import Vector
from fedsight.federated.observation import RoundRecord, Translator
from fedsight.federated.plan import Plan
from fedsight.federated.rounds.engine import Engine
from fedsight.federated.selection import Chosen, Selected, random_fraction
from fedsight.federated.server import held_out_evaluation
from fedsight.federated.wrapping import Checked
from fedsight.journal import Journal
from fedsight.tasks import Partition, Recipe, Scored, Task, load
from fedsight.tasks.classification import Classification, Labelled, Pooled


class WithoutEvaluation:
    """A task that keeps nothing to evaluate on: a round is then training alone."""

    def __init__(self, task: Task) -> None:
        self._task = task

    def model(self, seed: int) -> torch.nn.Module:
        return self._task.model(seed)

    def data(self, partition: Partition) -> Any:
        return self._task.data(partition)

    def held_out(self) -> None:
        return None

    def train(
        self, model: torch.nn.Module, data: Any, recipe: Recipe, rng: torch.Generator
    ) -> Mapping[str, float]:
        return self._task.train(model, data, recipe, rng)

    def evaluate(self, model: torch.nn.Module, data: Any) -> Mapping[str, float]:
        return self._task.evaluate(model, data)

    def tensors(self, data: Any) -> tuple[torch.Tensor, torch.Tensor]:
        return cast(Scored, self._task).tensors(data)

    def score(
        self,
        model: Callable[[torch.Tensor], torch.Tensor],
        inputs: torch.Tensor,
        labels: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        return cast(Scored, self._task).score(model, inputs, labels)


def thinned(task: Classification, every: int) -> Classification:
    """The task with only every so many of its training samples."""
    if every == 1:
        return task

    def load_some() -> Pooled:
        pooled = task.pooled()
        inputs, labels = pooled.training.inputs[::every], pooled.training.labels[::every]
        return Pooled(Labelled(inputs, labels), pooled.held_out)

    return Classification(load_some, task.build)


class _Stopwatch:
    """Times rounds: each from the end of the one before it."""

    def __init__(self) -> None:
        self._last = time.perf_counter()
        self._seconds: list[float] = []

    def lap(self) -> None:
        now = time.perf_counter()
        self._seconds.append(now - self._last)
        self._last = now

    @property
    def rounds(self) -> Rounds:
        return Rounds(tuple(self._seconds))


def observed_run(task: Task, plan: Plan, folder: Path) -> Run:
    """Runs through Flower's Message, Strategy and Grid, each journaled in `folder`.

    A round ends when its record is on disk. Nothing is shipped. Raises FedsightError where nodes
    do not train as the plan asks: what is timed is what is named.
    """
    numbers = itertools.count(1)

    def run() -> Trained:
        simulation = Simulation(plan, task)
        if simulation.local != plan.local:
            raise FedsightError("; ".join(simulation.doubts()))
        run_id = f"r-{next(numbers)}"
        journal, translator = Journal(folder, run_id), Translator(run_id)
        watch = _Stopwatch()

        def note(record: RoundRecord) -> None:
            journal.append(translator.batch(record))
            watch.lap()

        try:
            vector = simulation.run(note, run_id)
        finally:
            journal.close()
        return Trained(watch.rounds, vector)

    return run


def unobserved(simulation: Simulation) -> Result:
    """Run a simulation with the same strategy and grid, but nobody watching: no `Observed`."""
    plan = simulation.plan
    selector = Chosen(random_fraction(plan.fraction, plan.seed))
    strategy = Checked(Selected(algorithm(plan.algorithm), selector))
    evaluate = held_out_evaluation(simulation.task, simulation.model)
    return Engine(simulation.grid, plan.closing).run(
        strategy, codec.pack(simulation.model.vector()), rounds=plan.rounds, evaluate=evaluate
    )


def final_vector(result: Result) -> Any:
    """The model that a run ended with, shape (n,)."""
    return codec.unpack(result.arrays)


def held_out_losses(plan: Plan, vector: Vector) -> tuple[float, float]:
    """Held-out loss of the plan's first weights, and of the model `vector`."""
    task = load(plan.task)
    simulation = Simulation(replace(plan, nodes=1), task)
    model, held_out = simulation.model, task.held_out()
    before = task.evaluate(model.model, held_out)["loss"]
    model.load(vector)
    return before, task.evaluate(model.model, held_out)["loss"]
