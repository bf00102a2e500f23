"""The whole plan of a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from fedsight.errors import UsageError
from fedsight.federated.plan import checks
from fedsight.federated.plan.algorithm import AlgorithmPlan
from fedsight.federated.plan.personal import PersonalPlan
from fedsight.federated.plan.rounds import RoundPlan
from fedsight.federated.plan.scrutiny import ScrutinyPlan
from fedsight.federated.plan.selection import SelectionPlan

ENGINES = (SIMULATION, DEPLOYMENT) = ("simulation", "deployment")
SCHEMES = ("iid", "dirichlet", "shards", "own")
#: How the simulated nodes of a round train: one after the other, or all at once.
LOCAL = (LOOP, COHORT) = ("loop", "cohort")

#: More than this on one machine is a typing error rather than an experiment.
MOST_NODES = 100_000
MOST_ROUNDS = 1_000_000
#: Beyond it every node has the same share of each class, to the last sample.
MOST_ALPHA = 1e6
#: A round is one journal record; that of this many nodes still fits the collector's largest body.
MOST_NODES_A_ROUND = 18_000

Flat = dict[str, bool | float | int | str]

#: The parts of a plan that are records of their own; their fields stand among the plan's keys.
_PARTS: Mapping[str, type[Any]] = {
    "algorithm": AlgorithmPlan,
    "selection": SelectionPlan,
    "closing": RoundPlan,
    "scrutiny": ScrutinyPlan,
    "tuned": PersonalPlan,
}


@dataclass(frozen=True)
class Plan:
    """One run: the task, its nodes and how they share the data, and how each round trains.

    `fraction` of the nodes train each round; `epochs`, `lr`, `momentum` and `batch_size` are each
    node's local training. `local` is how simulated nodes train: in turn, or all at once. `data` is
    where simulated nodes have data of their own; a node elsewhere knows its own place. `columns`,
    parted by commas, are what such a task looks at; empty: what it looks at by itself.
    Raises UsageError naming the field, its value and what is allowed.
    """

    task: str = "mnist"
    engine: str = SIMULATION
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
    data: str = ""
    columns: str = ""
    algorithm: AlgorithmPlan = field(default_factory=AlgorithmPlan)
    selection: SelectionPlan = field(default_factory=SelectionPlan)
    closing: RoundPlan = field(default_factory=RoundPlan)
    scrutiny: ScrutinyPlan = field(default_factory=ScrutinyPlan)
    tuned: PersonalPlan = field(default_factory=PersonalPlan)

    def __post_init__(self) -> None:
        checks.one_of("engine", self.engine, ENGINES)
        checks.whole("nodes", self.nodes, 1, MOST_NODES)
        checks.whole("rounds", self.rounds, 1, MOST_ROUNDS)
        checks.whole("epochs", self.epochs, 1, MOST_ROUNDS)
        checks.whole("batch_size", self.batch_size, 1, 2**31 - 1)
        checks.whole("seed", self.seed, 0, 2**63 - 1)
        checks.number("fraction", self.fraction, above=0.0, most=1.0)
        checks.number("alpha", self.alpha, above=0.0, most=MOST_ALPHA)
        checks.number("lr", self.lr, above=0.0)
        checks.number("momentum", self.momentum, least=0.0, below=1.0)
        if self.nodes * self.fraction > MOST_NODES_A_ROUND:
            raise UsageError(
                f"at most {MOST_NODES_A_ROUND} nodes may train in a round, got {self.nodes} nodes"
                f" at fraction {self.fraction:g}"
            )
        checks.one_of("partition", self.partition, SCHEMES)
        checks.one_of("local", self.local, LOCAL)

    def config(self) -> Flat:
        """The plan as a Flower run configuration: flat, and without what is not set."""
        whole = asdict(self)
        parts = [whole.pop(name) for name in _PARTS]
        flat = {key: value for part in (whole, *parts) for key, value in part.items()}
        return {key: value for key, value in flat.items() if value is not None}

    @classmethod
    def keys(cls) -> tuple[str, ...]:
        """All flat keys there are."""
        own = [one.name for one in fields(cls) if one.name not in _PARTS]
        return tuple(own + [one.name for part in _PARTS.values() for one in fields(part)])

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> Plan:
        """The plan in a flat configuration; keys that are not the plan's are left alone."""
        own = [one.name for one in fields(cls) if one.name not in _PARTS]
        parts = {name: _taken(part, config) for name, part in _PARTS.items()}
        return cls(**{name: config[name] for name in own if name in config}, **parts)


def _taken(part: type[Any], config: Mapping[str, Any]) -> Any:
    return part(**{one.name: config[one.name] for one in fields(part) if one.name in config})
