"""What a federated workload is, and how one is found by name.

A user brings a workload by writing a class with the methods of `Task` and naming it
`package.module:object`; nothing needs to be registered.
"""

from __future__ import annotations

import difflib
import importlib
import re
from collections.abc import Callable, Mapping, Sequence, Sized
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol, cast, runtime_checkable

from fedsight.errors import UsageError, told
from fedsight.starting import find_own_modules

if TYPE_CHECKING:
    import torch

    from fedsight.forecast.places import Standing

#: Built-in workloads, by name.
BUILT_IN: Mapping[str, str] = {
    "mnist": "fedsight.tasks.mnist:MNIST",
    "digits": "fedsight.tasks.digits:DIGITS",
    "telemetry": "fedsight.tasks.telemetry:TELEMETRY",
}

#: How a run trains a built-in task where neither flags nor settings say, by the plan's keys. They
#: stand here so that nothing heavy is imported to know them; a task of one's own has `defaults`.
DEFAULTS: Mapping[str, Mapping[str, float | int | str]] = {
    "telemetry": {"rounds": 150, "epochs": 1, "lr": 0.01, "batch_size": 64, "partition": "own"},
}

Scheme = Literal["iid", "dirichlet", "shards", "own"]

#: A node's data: whatever the task's own `train` and `evaluate` understand, with a length.
Dataset = Sized


@dataclass(frozen=True)
class Partition:
    """Which part of the pooled data is one node's: part `index` of `count`, drawn from `seed`.

    Of a task whose nodes have data of their own (`Placed`) it is what lies in `source` under the
    name `node`.
    """

    index: int
    count: int
    scheme: Scheme = "iid"
    alpha: float = 0.5
    seed: int = 0
    node: str = ""
    source: str = ""


@dataclass(frozen=True)
class Recipe:
    """How one node trains in one round: local epochs, learning rate, momentum, batch size.

    `own`: not in a round, but for a model that the node keeps for itself. `done` of all `rounds`
    come before this one: a task may let its rate fall over them.
    """

    epochs: int = 5
    lr: float = 0.05
    momentum: float = 0.9
    batch_size: int = 32
    own: bool = False
    done: int = 0
    rounds: int = 1


@runtime_checkable
class Task(Protocol):
    """One workload: a node's data, the model, and how to train and evaluate it.

    What is random draws from what it is given (`seed`, `rng`), never from torch's global
    generator: then two runs with one seed end with the same bits. (A model with dropout draws
    from the global generator; seed it from `rng` at the top of `train`.)
    """

    def model(self, seed: int) -> torch.nn.Module:
        """A model with initial weights that depend on `seed` alone."""

    def data(self, partition: Partition) -> Any:
        """One node's training data (a `Dataset`).

        Raises UsageError where there are more nodes than samples.
        """

    def held_out(self) -> Any:
        """The data that the server evaluates the global model on, or None where it has none."""

    def train(
        self, model: torch.nn.Module, data: Any, recipe: Recipe, rng: torch.Generator
    ) -> Mapping[str, float]:
        """Train `model` in place; returns measured figures: `loss`, and `accuracy` if known."""

    def evaluate(self, model: torch.nn.Module, data: Any) -> Mapping[str, float]:
        """`loss`, and `accuracy` (a ratio) if the task has one, of `model` on `data`."""


@runtime_checkable
class Scored(Task, Protocol):
    """A task whose nodes can also be trained many at once (`--local cohort`); optional.

    Its `train` must be what these two say and no more: SGD with the recipe's learning rate and
    momentum on the mean loss of each batch, batches cut from one
    `torch.randperm(len(data), generator=rng)` an epoch, and nothing else drawn.
    """

    def tensors(self, data: Any) -> tuple[torch.Tensor, torch.Tensor]:
        """A node's data as inputs (n, ...) and labels (n, ...)."""

    def score(
        self,
        model: Callable[[torch.Tensor], torch.Tensor],
        inputs: torch.Tensor,
        labels: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Each sample's loss (n,), and whether `model` is right about it (n,) bool, if known.

        `model` maps inputs (n, ...) to outputs (n, ...). One sample's loss depends on no other's:
        the samples may be of different nodes.
        """


@runtime_checkable
class Placed(Task, Protocol):
    """A task that ships no data: each node has its own, under the node's name; optional."""

    def nodes(self, source: str) -> Mapping[str, str]:
        """The names of the nodes whose data lies in `source`, in order, and where each one's does.

        `source` is what `--data` says, or the folder of windows. A node in a process of its own is
        told its own place alone. Raises UsageError where there is none, or where one of them is no
        node's name.
        """


@runtime_checkable
class Growing(Placed, Protocol):
    """A task whose nodes' data goes on growing, so that a run may have to wait for it; optional."""

    def standings(self, source: str) -> Mapping[str, Standing]:
        """How far each node is whose data lies in `source` and grows; none where it is recorded."""

    def rows_needed(self) -> int:
        """How many rows a node must have before it can train."""


@runtime_checkable
class Columned(Task, Protocol):
    """A task that can look at chosen columns of its nodes' data; optional."""

    def columns(self, source: str) -> Sequence[str]:
        """The columns that it looks at by itself where data lies in `source`, which may be ""."""

    def looking_at(self, columns: Sequence[str]) -> Task:
        """The task for those columns. Raises UsageError where it cannot be had for them."""


@runtime_checkable
class Described(Task, Protocol):
    """A task whose model is built from a description that is kept with it; optional."""

    def described(self) -> Mapping[str, Any]:
        """What whoever loads the model builds it from, as JSON values."""


@runtime_checkable
class Validated(Task, Protocol):
    """A task whose global model is evaluated on the nodes, on data that they do not train on.

    Optional; the server needs no data then. Each round every node answers with what `evaluate`
    finds on its own `validation`; the means over all nodes, weighted by samples, are the round's
    loss, its accuracy if nodes have one, and its `figures`.
    """

    figures: tuple[str, ...]

    def validation(self, data: Any) -> Any:
        """The part of a node's data that it validates on (a `Dataset`)."""


def defaults(name: str) -> Mapping[str, Any]:
    """How a run of that task trains where neither flags nor settings say, by the plan's keys.

    Raises UsageError where there is no such task.
    """
    if name in BUILT_IN:
        return DEFAULTS.get(name, {})
    if not _PATH.fullmatch(name):
        raise UsageError(_no_such(name))
    return dict(getattr(load(name), "defaults", {}))


def load(name: str, columns: str = "") -> Task:
    """The task called `name`: a built-in one, or `package.module:object`.

    The object is a `Task` or a class that makes one without arguments; its module may lie in the
    working directory, and is found there after all that is installed. `columns`, parted by commas,
    are those that it is to look at; "": its own. Raises UsageError where there is none, naming
    what there is.
    """
    task = _loaded(name)
    wanted = [each for each in (one.strip() for one in columns.split(",")) if each]
    if not wanted:
        return task
    if not isinstance(task, Columned):
        raise UsageError(f"columns is {columns!r}, but task {name} has none to choose from")
    return task.looking_at(wanted)


def described(task: Task) -> Mapping[str, Any] | None:
    """What the task's model is built from, where it says so."""
    return task.described() if isinstance(task, Described) else None


def _no_such(name: str) -> str:
    return f"no such task {name!r}; {_hint(name)}"


def _loaded(name: str) -> Task:
    if not _PATH.fullmatch(name) and name not in BUILT_IN:
        raise UsageError(_no_such(name))
    if name not in BUILT_IN:
        find_own_modules()
    module_name, _, attribute = BUILT_IN.get(name, name).partition(":")
    try:
        found = getattr(importlib.import_module(module_name), attribute)
        task = found() if isinstance(found, type) else found
    except ModuleNotFoundError as error:
        raise UsageError(f"task {name!r}: no module named {error.name!r}") from error
    except AttributeError as error:
        raise UsageError(f"task {name!r}: {error}") from error
    except (Exception, SystemExit) as error:  # a person's own module: what it raises is theirs
        raise UsageError(f"task {name!r} cannot be loaded: {told(error)}") from error
    missing = [method for method in _METHODS if not callable(getattr(task, method, None))]
    if missing:
        wanted = ", ".join(_METHODS)
        raise UsageError(f"task {name!r} lacks {', '.join(missing)}; a task has {wanted}")
    return cast(Task, task)


_PATH = re.compile(r"\w+(\.\w+)*:\w+")
_METHODS = ("model", "data", "held_out", "train", "evaluate")


def _hint(name: str) -> str:
    near = difflib.get_close_matches(name, BUILT_IN, n=1)
    guess = f"did you mean {near[0]!r}? " if near else ""
    return f"{guess}there are {', '.join(sorted(BUILT_IN))}, or package.module:object"
