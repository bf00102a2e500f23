"""A task whose phases a test sees, holds up and slows, through files: it works in any process."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from fedsight.tasks import Partition, Recipe
from fedsight.tasks.digits import DIGITS

FOLDER, WIDTH = "PACED_FOLDER", "PACED_WIDTH"
#: A phase that a test has forgotten to let go goes on by itself.
HELD_SECONDS = 90.0
LOOK_SECONDS = 0.01


class Pace:
    """The test's side, and with `reach` the task's: phases by name, such as `train-0`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(exist_ok=True)

    def hold(self, phase: str) -> None:
        """Let it begin, and not end."""
        (self.folder / f"{phase}.held").touch()

    def release(self, phase: str) -> None:
        """Let it end."""
        (self.folder / f"{phase}.held").unlink(missing_ok=True)

    def slow(self, phase: str, seconds: float) -> None:
        """Let it take so long each time."""
        (self.folder / f"{phase}.seconds").write_text(str(seconds))

    def times(self, phase: str) -> int:
        """How often it has begun."""
        path = self.folder / f"{phase}.begun"
        return path.stat().st_size if path.exists() else 0

    def wait(self, phase: str, times: int = 1, within: float = 60.0) -> None:
        """Until it has begun so often."""
        until(lambda: self.times(phase) >= times, within, f"{phase} for the {times}. time")

    def reach(self, phase: str) -> None:
        """It begins here; returns when it may go on."""
        with (self.folder / f"{phase}.begun").open("ab", buffering=0) as begun:
            begun.write(b".")
        seconds = self.folder / f"{phase}.seconds"
        if seconds.exists():
            time.sleep(float(seconds.read_text()))
        held, began = self.folder / f"{phase}.held", time.monotonic()
        while held.exists() and time.monotonic() - began < HELD_SECONDS:
            time.sleep(LOOK_SECONDS)


def until(found: Callable[[], bool], within: float = 60.0, what: str = "it") -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + within
    while not found():
        assert time.monotonic() < deadline, f"waited {within:g} s in vain for {what}"
        time.sleep(LOOK_SECONDS)


def _reach(phase: str) -> None:
    if FOLDER in os.environ:
        Pace(Path(os.environ[FOLDER])).reach(phase)


class Counting:
    """Weight i begins at i; node k has k + 1 samples and adds k + 1 to each weight.

    Weights differ because Flower sends equal parts of a model once.
    """

    def model(self, seed: int) -> torch.nn.Module:
        model = torch.nn.Linear(int(os.environ.get(WIDTH, "2")), 1, bias=False)
        with torch.no_grad():
            model.weight[0] = torch.arange(model.weight.shape[1]).remainder(1_000_003)
        return model

    def data(self, partition: Partition) -> Any:
        return range(partition.index + 1)

    def held_out(self) -> Any:
        return [1.0]

    def train(
        self, model: torch.nn.Module, data: Any, recipe: Recipe, rng: torch.Generator
    ) -> Mapping[str, float]:
        _reach(f"train-{len(data) - 1}")
        with torch.no_grad():
            for parameter in model.parameters():
                parameter += len(data)
        return {"loss": float(len(data))}

    def evaluate(self, model: torch.nn.Module, data: Any) -> Mapping[str, float]:
        _reach("evaluate")
        (weight,) = model.parameters()
        return {"loss": float(weight.detach()[0, 0])}


def weight_after(*rounds: tuple[int, ...]) -> float:
    """What weight 0 is after these rounds, each given as the nodes that took part in it."""
    return sum(
        sum((k + 1) * (k + 1) for k in nodes) / sum(k + 1 for k in nodes) for nodes in rounds
    )


class Digits:
    """The digits, which a test may hold up."""

    def __getattr__(self, name: str) -> Any:
        return getattr(DIGITS, name)

    def data(self, partition: Partition) -> Any:
        return _Named(DIGITS.data(partition), partition.index)

    def train(
        self, model: torch.nn.Module, data: Any, recipe: Recipe, rng: torch.Generator
    ) -> Mapping[str, float]:
        _reach(f"train-{data.index}")
        return DIGITS.train(model, data.data, recipe, rng)

    def evaluate(self, model: torch.nn.Module, data: Any) -> Mapping[str, float]:
        _reach("evaluate")
        return DIGITS.evaluate(model, data)


class _Named:
    """A node's data that knows whose it is."""

    def __init__(self, data: Any, index: int) -> None:
        self.data = data
        self.index = index

    def __len__(self) -> int:
        return len(self.data)


def weighed(samples: int, figures: Mapping[str, float]) -> int:
    """What an update weighs anyway, said in a phase of its own."""
    _reach("aggregate")
    return samples


WEIGHED = f"{__name__}:weighed"
COUNTING = f"{__name__}:Counting"
HELD_DIGITS = f"{__name__}:Digits"
