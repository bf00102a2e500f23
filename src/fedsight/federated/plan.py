"""What a run is asked to do, checked before anything heavy is imported."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from fedsight.errors import UsageError

SCHEMES = ("iid", "dirichlet", "shards")
#: How the simulated nodes of a round train: one after the other, or all at once.
LOCAL = (LOOP, COHORT) = ("loop", "cohort")

#: More than this on one machine is a typing error rather than an experiment.
MOST_NODES = 100_000
MOST_ROUNDS = 1_000_000
#: Beyond it every node has the same share of each class, to the last sample.
MOST_ALPHA = 1e6
#: A round is one journal record; that of this many nodes still fits the collector's largest body.
MOST_NODES_A_ROUND = 20_000


@dataclass(frozen=True)
class Plan:
    """One run: the task, its nodes and how they share the data, and how each round trains.

    `fraction` of the nodes train each round; `epochs`, `lr`, `momentum` and `batch_size` are each
    node's local SGD. `local` is how simulated nodes train: in turn, or all at once.
    Raises UsageError naming the field, its value and what is allowed.
    """

    task: str = "mnist"
    nodes: int = 10
    rounds: int = 20
    fraction: float = 1.0
    partition: str = "dirichlet"
    alpha: float = 0.5
    epochs: int = 5
    lr: float = 0.05
    momentum: float = 0.9
    batch_size: int = 32
    seed: int = 0
    local: str = "loop"

    def __post_init__(self) -> None:
        _whole("nodes", self.nodes, 1, MOST_NODES)
        _whole("rounds", self.rounds, 1, MOST_ROUNDS)
        _whole("epochs", self.epochs, 1, MOST_ROUNDS)
        _whole("batch_size", self.batch_size, 1, 2**31 - 1)
        _whole("seed", self.seed, 0, 2**63 - 1)
        _number("fraction", self.fraction, above=0.0, most=1.0)
        _number("alpha", self.alpha, above=0.0, most=MOST_ALPHA)
        _number("lr", self.lr, above=0.0)
        if not 0.0 <= self.momentum < 1.0:
            raise UsageError(f"momentum must be at least 0 and below 1, got {self.momentum}")
        if self.nodes * self.fraction > MOST_NODES_A_ROUND:
            raise UsageError(
                f"at most {MOST_NODES_A_ROUND} nodes may train in a round, got {self.nodes} nodes"
                f" at fraction {self.fraction:g}"
            )
        if self.partition not in SCHEMES:
            raise UsageError(
                f"partition must be one of {', '.join(SCHEMES)}, got {self.partition!r}"
            )
        if self.local not in LOCAL:
            raise UsageError(f"local must be one of {', '.join(LOCAL)}, got {self.local!r}")

    def config(self) -> dict[str, bool | float | int | str]:
        """The plan as a Flower run configuration."""
        return dict(asdict(self))

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> Plan:
        """The plan in a Flower run configuration; keys that are not the plan's are left alone."""
        names = [field.name for field in fields(cls)]
        return cls(**{name: config[name] for name in names if name in config})


def _whole(name: str, value: int, least: int, most: int) -> None:
    if not isinstance(value, int) or not least <= value <= most:
        raise UsageError(f"{name} must be a whole number from {least} to {most}, got {value}")


def _number(name: str, value: float, *, above: float, most: float = math.inf) -> None:
    if not (math.isfinite(value) and above < value <= most):
        limit = f" and at most {most:g}" if math.isfinite(most) else ""
        raise UsageError(f"{name} must be a number above {above:g}{limit}, got {value}")
