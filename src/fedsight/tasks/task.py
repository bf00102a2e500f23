"""What a federated workload is, and how one is found by name.

A user brings a workload by writing a class with the methods of `Task` and naming it
`package.module:object`; nothing needs to be registered.
"""

from __future__ import annotations

import difflib
import importlib
import re
import sys
from collections.abc import Callable, Mapping, Sized
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol, cast, runtime_checkable

import torch

from fedsight.errors import UsageError, told

#: Built-in workloads, by name.
BUILT_IN: Mapping[str, str] = {
    "mnist": "fedsight.tasks.mnist:MNIST",
    "digits": "fedsight.tasks.digits:DIGITS",
}

Scheme = Literal["iid", "dirichlet", "shards"]

#: A node's data: whatever the task's own `train` and `evaluate` understand, with a length.
Dataset = Sized


@dataclass(frozen=True)
class Partition:
    """Which part of the pooled data is one node's: part `index` of `count`, drawn from `seed`."""

    index: int
    count: int
    scheme: Scheme = "iid"
    alpha: float = 0.5
    seed: int = 0


@dataclass(frozen=True)
class Recipe:
    """How one node trains in one round: local epochs, SGD learning rate, momentum, batch size."""

    epochs: int = 5
    lr: float = 0.05
    momentum: float = 0.9
    batch_size: int = 32


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


def load(name: str) -> Task:
    """The task called `name`: a built-in one, or `package.module:object`.

    The object is a `Task` or a class that makes one without arguments; its module may lie in the
    working directory. Raises UsageError where there is none, naming what there is.
    """
    if not _PATH.fullmatch(name) and name not in BUILT_IN:
        raise UsageError(f"no such task {name!r}; {_hint(name)}")
    if str(Path.cwd()) not in sys.path:
        sys.path.append(str(Path.cwd()))
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
