"""A node's side of a round: a Flower ClientApp that trains a task on the node's own data."""

from __future__ import annotations

import hashlib
import struct
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any, Protocol, cast

import numpy as np
import torch
from flwr.app import ArrayRecord, ConfigRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp

from fedsight.errors import FedsightError
from fedsight.federated import codec
from fedsight.federated.flat import FlatModel, Vector
from fedsight.federated.node import personal
from fedsight.federated.node.allowed import refuse_unless_allowed
from fedsight.federated.node.assignment import Assignment
from fedsight.federated.node.gradients import AddedGradients
from fedsight.federated.node.introduction import NAME, PARTITION, PARTITIONS, introduce
from fedsight.federated.node.personal import Tuning
from fedsight.federated.node.place import NOWHERE, Place, settled
from fedsight.federated.node.validating import METRICS as METRICS
from fedsight.federated.node.validating import NUM_EXAMPLES as NUM_EXAMPLES
from fedsight.federated.node.validating import Validator, answer_validation, validated
from fedsight.federated.plan import Plan
from fedsight.tasks import Partition, Placed, Recipe, Task, described, load
from fedsight.tasks.task import Scheme

CONFIG = "config"
ROUND = "server-round"

TRAIN_LOSS = "train-loss"
TRAIN_ACCURACY = "train-accuracy"
TRAIN_SECONDS = "train-seconds"
CPU_SECONDS = "cpu-seconds"

#: FedProx's mu in a message's config, by Flower's own name.
PROXIMAL_MU = "proximal-mu"
#: The record of a message's content that holds SCAFFOLD's c - c_i.
CORRECTION = "correction"
#: What a node that was sent a correction says besides: how many steps it took, and the sum of
#: their lengths.
LOCAL_STEPS = "local-steps"
LOCAL_RATE = "local-rate"
#: Figures of a reply that are the server's own to count with: they are in no mean.
COUNTS = frozenset({NUM_EXAMPLES, LOCAL_STEPS, LOCAL_RATE, ROUND})

_LOCAL_TRAINING, _TUNING = 1, 2


class LocalTrainer(Protocol):
    """Trains one node's model in one round."""

    def train(self, assignment: Assignment) -> tuple[Vector, dict[str, float | int]]:
        """From the global model; returns the node's model and what was measured."""


class Trainer:
    """Trains one node's data; many trainers in one process may share a model."""

    def __init__(
        self,
        task: Task,
        plan: Plan,
        model: FlatModel,
        partition: int,
        place: Place = NOWHERE,
    ) -> None:
        self._task = task
        self._task_name = plan.task
        self._place = place
        self._seed = plan.seed
        self._model = model
        self._index = partition
        self._recipe = Recipe(
            plan.epochs, plan.lr, plan.momentum, plan.batch_size, rounds=plan.rounds
        )
        scheme = cast(Scheme, plan.partition)
        self._partition = Partition(
            partition, plan.nodes, scheme, plan.alpha, plan.seed, place.node, place.source
        )
        self._data: Any = None
        self._rng = torch.Generator()

    def prepare(self) -> None:
        """Load the node's data. Raises UsageError where it has none to load."""
        if self._data is None:
            self._data = self._task.data(self._partition)

    @property
    def data(self) -> Any:
        """The node's data, or None where it has not been loaded."""
        return self._data

    def seed(self, round_: int) -> int:
        """The seed of the node's own random stream in that round."""
        return stream(self._seed, _LOCAL_TRAINING, self._index, round_)

    @property
    def data_samples(self) -> int | None:
        """How many samples the node's data has, or None where it has not been loaded."""
        return None if self._data is None else len(self._data)

    def train(self, assignment: Assignment) -> tuple[Vector, dict[str, float | int]]:
        """Train from the global model; returns the node's model and what was measured.

        Raises RuntimeError where the assignment adds to gradients that the task does not have.
        """
        self.prepare()
        self._model.load(assignment.vector)
        self._rng.manual_seed(self.seed(assignment.round))
        # A run that goes on may have been given more rounds than the plan that it began with.
        done = min(assignment.round, self._recipe.rounds) - 1
        recipe = replace(self._recipe, done=max(done, 0))
        if assignment.plain:
            figures = self._fit(recipe)
            return self._model.vector(), figures
        with AddedGradients(self._model, assignment) as added:
            figures = self._fit(recipe)
        update = self._model.vector()
        steps, rate = added.steps(moved=not np.array_equal(update, assignment.vector))
        if assignment.correction is not None:
            figures |= {LOCAL_STEPS: steps, LOCAL_RATE: rate, ROUND: assignment.round}
        return update, figures

    def validate(self, vector: Vector) -> dict[str, float | int]:
        """See `Validator`."""
        self.prepare()
        return validated(self._task, self._model, self._data, vector)

    def tune(self, vector: Vector, tuning: Tuning) -> dict[str, float | int]:
        """See `Validator`: in the task's own way, or the best of some turns of its training."""
        before = self.validate(vector)
        self._model.load(vector)
        self._rng.manual_seed(stream(self._seed, _TUNING, self._index, tuning.round))
        recipe = replace(self._recipe, epochs=tuning.epochs, lr=tuning.lr, own=True)
        best, after, better = self._tuned(recipe, before)
        kept = self._keep_own(best, tuning, before, after, better)
        return personal.compared(before, after, NUM_EXAMPLES, kept)

    def _tuned(
        self, recipe: Recipe, before: dict[str, float | int]
    ) -> tuple[Vector, dict[str, float | int], bool]:
        """What comes of tuning the model as it is loaded, its figures, and whether it is better."""
        if isinstance(self._task, personal.TuningItself):
            better = self._task.tune(self._model.model, self._data, recipe, self._rng)
            best = self._model.vector()
            return best, self.validate(best), better
        best, after = self._model.vector(), dict[str, float | int]()
        for _ in range(personal.TURNS):
            self._task.train(self._model.model, self._data, recipe, self._rng)
            tuned = self._model.vector()
            found = self.validate(tuned)
            if not after or personal.improved(after, found):
                best, after = tuned, found
        return best, after, personal.improved(before, after)

    def _keep_own(
        self,
        tuned: Vector,
        tuning: Tuning,
        before: dict[str, float | int],
        after: dict[str, float | int],
        better: bool,
    ) -> bool:
        """Keep the tuned model on the node where it is better; whether it is kept."""
        folder, task = self._place.kept, self._task
        if folder is None or not better:
            if folder is not None:
                personal.forget(folder, tuning.run)
            return False
        facts = {"node": self._place.node, "task": self._task_name, "model": described(task)}
        facts |= {"before": before, "after": after}
        self._model.load(tuned)
        model = self._model.model
        own = task.own(self._data, model) if isinstance(task, personal.KeepingOwn) else {}
        personal.keep(folder, self._model, tuned, tuning, facts, own)
        return True

    def _fit(self, recipe: Recipe) -> dict[str, float | int]:
        """Let the task train the model as it is loaded; what was measured."""
        started, cpu_started = time.perf_counter(), _cpu_seconds()
        found = self._task.train(self._model.model, self._data, recipe, self._rng)
        cpu, wall = _cpu_seconds() - cpu_started, time.perf_counter() - started
        if not isinstance(found, Mapping):
            raise TypeError(f"train must return its figures, such as a loss by name, got {found!r}")
        figures: dict[str, float | int] = {
            NUM_EXAMPLES: len(self._data),
            TRAIN_SECONDS: wall,
            CPU_SECONDS: cpu,
        }
        for key, name in (("loss", TRAIN_LOSS), ("accuracy", TRAIN_ACCURACY)):
            if key in found:
                figures[name] = float(found[key])
        return figures


def assigned(message: Message) -> Assignment:
    """What a `train` message asks of a node."""
    content = message.content
    config = cast(ConfigRecord, content[CONFIG])
    correction = content.get(CORRECTION)
    return Assignment(
        codec.unpack(cast(ArrayRecord, content[codec.ARRAYS])),
        cast(int, config[ROUND]),
        cast(float, config.get(PROXIMAL_MU, 0.0)),
        None if correction is None else codec.unpack(cast(ArrayRecord, correction)),
    )


def client_app(
    trainer_of: Callable[[Context], LocalTrainer],
    validator_of: Callable[[Context], Validator] | None = None,
) -> ClientApp:
    """A ClientApp that answers `train` messages with the trainer of the node they came to, and
    `evaluate` messages with its validator."""
    app = ClientApp()
    if validator_of is not None:
        answer_validation(app, validator_of)

    @app.train()
    def train(message: Message, context: Context) -> Message:
        update, figures = trainer_of(context).train(assigned(message))
        reply = RecordDict()
        reply[codec.ARRAYS] = codec.pack(update)
        reply[METRICS] = MetricRecord(cast(Any, figures))
        return Message(reply, reply_to=message)

    return app


def stream(*names: int) -> int:
    """The seed of a random stream of its own for each tuple of names: (run seed, purpose, ...)."""
    packed = struct.pack(f"<{len(names)}q", *names)
    return int.from_bytes(hashlib.blake2b(packed, digest_size=8).digest(), "little")


def _cpu_seconds() -> float:
    """CPU time of this thread; of the whole process where torch itself runs on several."""
    return time.thread_time() if torch.get_num_threads() == 1 else time.process_time()


@lru_cache(maxsize=1)
def _only_trainer(plan: Plan, partition: int, place: Place, run: int) -> Trainer:
    """A node process has one partition; its task, model and data stay warm between messages.

    Data of the node's own is read anew for each `run`; 0: the data is the same for all.
    """
    task = load(plan.task, plan.columns)
    model = FlatModel(task.model(plan.seed))
    trainer = _warm[""] = Trainer(task, plan, model, partition, place)
    return trainer


#: The trainer that is warm, for whoever asks what it has.
_warm: dict[str, Trainer] = {}


def _samples() -> int | None:
    """How many samples this node has; None while its data is not loaded."""
    data = _warm[""].data if _warm else None
    return None if data is None else len(data)


def _trainer_of_node(context: Context) -> Trainer:
    plan, node = Plan.of(context.run_config), context.node_config
    refuse_unless_allowed(plan.task)
    place = settled(str(node.get(NAME, "")))
    own = isinstance(load(plan.task), Placed)
    if PARTITION not in node and not own:
        raise FedsightError(
            f"this node has no part of task {plan.task}'s data: start it with --partition I --of N"
        )
    parts = int(cast(int, node.get(PARTITIONS, plan.nodes)))
    part = int(cast(int, node[PARTITION])) if PARTITION in node else _numbered(place.node)
    return _only_trainer(replace(plan, nodes=parts), part, place, context.run_id if own else 0)


def _numbered(name: str) -> int:
    """The number by which a node without a part of the data draws: its name's own."""
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=7).digest(), "little")


#: The ClientApp of a node in a process of its own.
app = client_app(_trainer_of_node, _trainer_of_node)
introduce(app, _samples)
