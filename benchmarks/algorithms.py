"""FedProx and SCAFFOLD beside FedAvg, where each node knows two of ten digits.

Task mnist in shards of two classes a node: the split that client drift is worst on. All train by
SGD without momentum, from the same first weights and batches. Accuracy is on the held-out digits;
that of a run is its last five rounds' mean, since single rounds swing.
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from benchmarks import command
from benchmarks.command import Say
from benchmarks.report import Findings, holds
from fedsight.errors import FedsightError
from fedsight.federated.plan import AlgorithmPlan, Plan
from fedsight.federated.training import RoundReport, Steering, train
from fedsight.signals import Batch

PLAN = Plan(task="mnist", nodes=10, rounds=30, partition="shards", epochs=5, lr=0.05, momentum=0.0)
SEEDS, QUICK_SEEDS = (0, 1, 2), (0,)
QUICK_ROUNDS, QUICK_EPOCHS = 3, 1

#: Arms by name.
ALGORITHMS = {
    "fedavg": AlgorithmPlan("fedavg"),
    "fedprox, mu 0.1": AlgorithmPlan("fedprox", mu=0.1),
    "fedprox, mu 1": AlgorithmPlan("fedprox", mu=1.0),
    "scaffold": AlgorithmPlan("scaffold"),
}

LAST = 5
GOOD = 0.8
CHANCE = 0.1


@dataclass(frozen=True)
class Run:
    """One run: accuracy after each round, and seconds for all of them."""

    accuracies: tuple[float, ...]
    seconds: float

    @property
    def final(self) -> float:
        """The last rounds' mean accuracy."""
        return statistics.mean(self.accuracies[-LAST:])

    @property
    def rounds_to_good(self) -> int | None:
        """The first round that reached an accuracy of `GOOD`; None where none did."""
        reached = (at for at, one in enumerate(self.accuracies, 1) if one >= GOOD)
        return next(reached, None)


@dataclass(frozen=True)
class Row:
    """An algorithm over all seeds; `spread` is the sample standard deviation of its accuracy."""

    accuracy: float
    spread: float | None
    each: tuple[float, ...]
    rounds_to_good: tuple[int | None, ...]
    seconds: float
    curve: tuple[float, ...]

    @classmethod
    def of(cls, runs: Sequence[Run]) -> Row:
        finals = tuple(one.final for one in runs)
        rounds = zip(*(one.accuracies for one in runs), strict=True)
        return cls(
            statistics.mean(finals),
            statistics.stdev(finals) if len(finals) > 1 else None,
            finals,
            tuple(one.rounds_to_good for one in runs),
            statistics.mean(one.seconds for one in runs),
            tuple(statistics.mean(round) for round in rounds),
        )


class _Nowhere:
    """A journal that keeps nothing: what is measured here is the model."""

    def append(self, batch: Batch) -> int:
        return 0


def measure(quick: bool, say: Say) -> Findings:
    """Held-out accuracy by FedAvg, FedProx and SCAFFOLD on shards of mnist."""
    plan = replace(PLAN, rounds=QUICK_ROUNDS, epochs=QUICK_EPOCHS) if quick else PLAN
    seeds = QUICK_SEEDS if quick else SEEDS
    runs: dict[str, list[Run]] = {name: [] for name in ALGORITHMS}
    for seed in seeds:
        for name, algorithm in ALGORITHMS.items():
            run = _trained(replace(plan, seed=seed, algorithm=algorithm))
            runs[name].append(run)
            say(f"{name}, seed {seed}: {run.final:.4f}, in the end {run.accuracies[-1]:.3f}")
    rows = {name: Row.of(found) for name, found in runs.items()}
    learn = all(row.accuracy > CHANCE for row in rows.values())
    target = holds("every algorithm is better than chance", learn)
    return Findings(_described(plan, seeds), rows, [target])


def _trained(plan: Plan) -> Run:
    accuracies: list[float] = []

    def note(report: RoundReport) -> None:
        if report.failures or report.accuracy is None:
            raise FedsightError(f"round {report.round} is not whole: {report.failures}")
        accuracies.append(report.accuracy)

    outcome = train(plan, _Nowhere(), run_id=f"r-{plan.seed}", steering=Steering(on_round=note))
    if outcome.state != "finished":
        raise FedsightError(f"a run ended as {outcome.state}: {outcome.reason}")
    return Run(tuple(accuracies), outcome.seconds)


def _described(plan: Plan, seeds: Sequence[int]) -> dict[str, Any]:
    names = ("task", "nodes", "rounds", "partition", "epochs", "lr", "momentum", "batch_size")
    return {**{name: getattr(plan, name) for name in names}, "seeds": len(seeds)}


if __name__ == "__main__":
    sys.exit(command.run("algorithms", measure))
