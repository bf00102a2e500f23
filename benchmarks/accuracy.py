"""How well a federation trains: beside the same model trained centrally on the pooled data.

The limit is one machine that holds all the data and passes over it as often as the federation
did. Two runs with one seed must end with the same bits.
"""

from __future__ import annotations

import statistics
import sys
import time
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch

from benchmarks.command import Say, run
from benchmarks.plain import first_weights
from benchmarks.report import Findings, Target, at_least, holds
from fedsight.federated.node.client import stream
from fedsight.federated.plan import Plan
from fedsight.federated.training import Outcome, train
from fedsight.signals import Batch
from fedsight.tasks import Recipe
from fedsight.tasks.classification import Classification
from fedsight.tasks.mnist import MNIST

#: The default run: 10 nodes, Dirichlet 0.5, 20 rounds of 5 local epochs, all nodes.
FULL, FULL_SEEDS = Plan(task="mnist"), (0, 1, 2)
QUICK, QUICK_SEEDS = replace(FULL, rounds=3, epochs=2), (0, 1)

#: The random stream that the central training draws its batches from.
_CENTRAL = 2


@dataclass(frozen=True)
class Pair:
    """Held-out accuracy of one seed, and how long each training took."""

    seed: int
    federated: float
    central: float
    federated_seconds: float
    central_seconds: float
    model_sha256: str


class _Nowhere:
    """A journal that keeps nothing: what is measured here is the model."""

    def append(self, batch: Batch) -> int:
        return 0


def measure(quick: bool, say: Say) -> Findings:
    """Held-out accuracy of federated and of central training on task mnist."""
    torch.set_num_threads(1)
    plan, seeds = (QUICK, QUICK_SEEDS) if quick else (FULL, FULL_SEEDS)
    pairs = [_pair(replace(plan, seed=seed), say) for seed in seeds]
    say(f"seed {seeds[0]}: federated, once more")
    again = _federated(replace(plan, seed=seeds[0]))
    federated = statistics.mean(pair.federated for pair in pairs)
    central = statistics.mean(pair.central for pair in pairs)
    figures: dict[str, Any] = {
        "federated_mean_accuracy": federated,
        "central_mean_accuracy": central,
        "ratio": federated / central,
        "seeds": {f"seed_{pair.seed}": pair for pair in pairs},
        "repeated_model_sha256": again.model_sha256,
    }
    targets = _targets(federated, central, again.model_sha256 == pairs[0].model_sha256)
    return Findings(_described(plan, len(seeds)), figures, targets)


def _pair(plan: Plan, say: Say) -> Pair:
    say(f"seed {plan.seed}: federated, {plan.rounds} rounds of {plan.epochs} epochs")
    federated = _federated(plan)
    say(f"seed {plan.seed}: central, {plan.rounds * plan.epochs} epochs")
    started = time.perf_counter()
    central = central_accuracy(MNIST, plan)
    seconds = time.perf_counter() - started
    assert federated.accuracy is not None
    assert federated.model_sha256 is not None
    return Pair(
        plan.seed,
        federated.accuracy,
        central,
        federated.seconds,
        seconds,
        federated.model_sha256,
    )


def _federated(plan: Plan) -> Outcome:
    return train(plan, _Nowhere(), run_id=f"r-{plan.seed}")


def central_accuracy(task: Classification, plan: Plan) -> float:
    """Held-out accuracy after as many passes over the pooled data as the federation makes.

    The same first weights, optimiser, learning rate and batch size.
    """
    model = task.model(first_weights(plan))
    recipe = Recipe(plan.rounds * plan.epochs, plan.lr, plan.momentum, plan.batch_size)
    rng = torch.Generator().manual_seed(stream(plan.seed, _CENTRAL))
    task.train(model, task.pooled().training, recipe, rng)
    return task.evaluate(model, task.held_out())["accuracy"]


def _targets(federated: float, central: float, same_bits: bool) -> list[Target]:
    return [
        at_least("federated accuracy over the central one's", federated / central, 0.97),
        at_least("central accuracy", central, 0.96),
        holds("two runs with one seed end bit-identical", same_bits),
    ]


def _described(plan: Plan, seeds: int) -> dict[str, Any]:
    shown = {key: value for key, value in asdict(plan).items() if key != "seed"}
    return {**shown, "seeds": seeds, "sample_passes": plan.rounds * plan.epochs}


if __name__ == "__main__":
    sys.exit(run("accuracy", measure))
