"""A model of the node's own: the global one tuned on its data, kept there if it is better.

One file a run in the node's folder, `RUN.safetensors`, with the tensors by the names in the model's
state dict and, under `own/`, what else of the node belongs with them (its scale, say). Of a node
the newest few are kept. Nothing of it is sent.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast, runtime_checkable

import numpy as np
from flwr.app import ConfigRecord
from safetensors.numpy import save

from fedsight.errors import FedsightError
from fedsight.federated.flat import FlatModel, Vector
from fedsight.tasks import Recipe

if TYPE_CHECKING:
    import torch

SUFFIX = ".safetensors"
OWN = "own/"
#: A node tunes so many times over, each time further; what was best on its validation part counts.
#: Where a task does not tune itself.
TURNS = 6
#: So many of a node's models are kept, of as many runs.
MOST_KEPT = 5

#: Keys of the request, and what a node's figures of before and after are called.
RUN, ROUND, EPOCHS, RATE = "run", "server-round", "personal-epochs", "personal-lr"
BEFORE, AFTER, KEPT = "before-", "after-", "kept"

_RUN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.\-]{0,127}")


@dataclass(frozen=True)
class Tuning:
    """What is asked: to tune the model of `round` of `run`, for `epochs` at learning rate `lr`."""

    run: str
    round: int
    epochs: int
    lr: float

    def config(self) -> ConfigRecord:
        """As a message says it."""
        return ConfigRecord({RUN: self.run, ROUND: self.round, EPOCHS: self.epochs, RATE: self.lr})


@runtime_checkable
class KeepingOwn(Protocol):
    """A task whose nodes have more that belongs with a model of their own; optional."""

    def own(self, data: Any, model: Any) -> Mapping[str, np.ndarray[Any, Any]]:
        """What of a node's data is kept beside `model`, which is the node's own, by name."""


@runtime_checkable
class TuningItself(Protocol):
    """A task with a way of its own to a model that a node keeps for itself; optional."""

    def tune(self, model: Any, data: Any, recipe: Recipe, rng: torch.Generator) -> bool:
        """Make `model`, the shared one, what is best for the node on its validation part; returns
        whether that is another. The recipe is that of one turn; what is random is drawn from `rng`
        alone."""


def tuning_of(config: Mapping[str, Any]) -> Tuning | None:
    """What a message asks, None where it does not ask to tune. Raises FedsightError where no run
    may be called so."""
    if EPOCHS not in config:
        return None
    run = str(config.get(RUN, ""))
    if not _RUN.fullmatch(run):
        raise FedsightError(f"a run's name must match {_RUN.pattern}, got {run[:80]!r}")
    return Tuning(run, int(config[ROUND]), int(config[EPOCHS]), float(config[RATE]))


def keep(
    folder: Path,
    model: FlatModel,
    vector: Vector,
    tuning: Tuning,
    facts: Mapping[str, Any],
    own: Mapping[str, np.ndarray[Any, Any]],
) -> Path:
    """Write the node's model of that run in one step; returns its file.

    Raises FedsightError where it cannot be written.
    """
    model.load(vector)
    arrays = {name: one.detach().numpy().copy() for name, one in model.model.state_dict().items()}
    arrays |= {f"{OWN}{name}": np.ascontiguousarray(one) for name, one in own.items()}
    header = {"fedsight": json.dumps({**asdict(tuning), **facts})}
    path = folder / f"{tuning.run}{SUFFIX}"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        draft = folder / f".{path.name}.part"
        with draft.open("wb") as out:
            out.write(save(arrays, header))
            out.flush()
            os.fsync(out.fileno())
        draft.replace(path)
        _drop_oldest(folder)
    except OSError as error:
        raise FedsightError(f"cannot keep the model {path}: {error.strerror}") from error
    return path


def forget(folder: Path, run: str) -> None:
    """Remove the node's model of that run, if there is one."""
    (folder / f"{run}{SUFFIX}").unlink(missing_ok=True)


def _drop_oldest(folder: Path) -> None:
    files = sorted(folder.glob(f"*{SUFFIX}"), key=lambda path: path.stat().st_mtime_ns)
    for path in files[:-MOST_KEPT]:
        path.unlink(missing_ok=True)


def improved(before: Mapping[str, float], after: Mapping[str, float]) -> bool:
    """Whether the loss is less than before; not where one of them is not known."""
    return "loss" in before and "loss" in after and after["loss"] < before["loss"]


def compared(
    before: Mapping[str, float | int], after: Mapping[str, float | int], samples: str, kept: bool
) -> dict[str, float | int]:
    """A node's figures of before and after as its answer holds them."""
    found: dict[str, float | int] = {samples: cast(int, before[samples]), KEPT: int(kept)}
    for prefix, figures in ((BEFORE, before), (AFTER, after)):
        found |= {f"{prefix}{name}": one for name, one in figures.items() if name != samples}
    return found
