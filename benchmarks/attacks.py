"""Who is named when two of ten nodes attack: precision and recall of suspected nodes.

Task mnist, by the run's defaults, over seeds that no threshold was chosen on. A node counts as
named if it was suspected in any round. One configuration for all attacks and both partitions;
without an attack, whoever is named is named wrongly.
"""

from __future__ import annotations

import logging
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from benchmarks.attackers import ATTACKS, LABEL_FLIP, NONE, SIGN_FLIP, Attacked
from benchmarks.command import Say, run
from benchmarks.report import Findings, Target, at_least, at_most
from fedsight.federated.engines.simulated import Simulation
from fedsight.federated.observation import RoundRecord
from fedsight.federated.plan import Plan
from fedsight.federated.scrutiny import Scrutiny

PLAN = Plan(task="mnist", nodes=10, rounds=10)
ATTACKERS = frozenset({8, 9})
PARTITIONS = ("dirichlet", "iid")
#: Those from 100 on served to develop the method.
SEEDS = (0, 1, 2, 3, 4)
QUICK_SEEDS, QUICK_ROUNDS, QUICK_EPOCHS = (0,), 4, 2
LEAST = 0.9
#: What scrutiny may take of a round.
MOST_SHARE = 0.02


@dataclass(frozen=True)
class Run:
    """One run: who was named and when first, and the accuracy in the end."""

    named: dict[int, int]
    accuracy: float | None


@dataclass(frozen=True)
class Row:
    """One attack over all seeds. `rounds` is the mean round in which an attacker was first named.

    `precision` is None where nobody was named, `recall` where nobody attacked.
    """

    precision: float | None
    recall: float | None
    named_rightly: int
    named_wrongly: int
    rounds: float | None
    accuracy: float | None

    @classmethod
    def of(cls, runs: Sequence[Run], attackers: frozenset[int]) -> Row:
        right = [round_ for one in runs for node, round_ in one.named.items() if node in attackers]
        wrong = sum(node not in attackers for one in runs for node in one.named)
        there = len(attackers) * len(runs)
        known = [one.accuracy for one in runs if one.accuracy is not None]
        return cls(
            len(right) / (len(right) + wrong) if right or wrong else None,
            len(right) / there if there else None,
            len(right),
            wrong,
            statistics.mean(right) if right else None,
            statistics.mean(known) if known else None,
        )


def measure(quick: bool, say: Say) -> Findings:
    """Precision and recall of the nodes that are named when two of ten attack."""
    torch.set_num_threads(1)
    logging.getLogger("flwr").setLevel(logging.ERROR)
    plan = replace(PLAN, rounds=QUICK_ROUNDS, epochs=QUICK_EPOCHS) if quick else PLAN
    seeds = QUICK_SEEDS if quick else SEEDS
    partitions = PARTITIONS[:1] if quick else PARTITIONS
    attacks = (NONE, SIGN_FLIP) if quick else (NONE, *ATTACKS)
    rows: dict[str, dict[str, Row]] = {}
    for partition in partitions:
        rows[partition] = {}
        for attack in attacks:
            plans = [replace(plan, seed=seed, partition=partition) for seed in seeds]
            row = Row.of([_run(one, attack) for one in plans], _attackers(attack))
            rows[partition][attack] = row
            say(f"{partition}, {attack}: precision {row.precision}, recall {row.recall}")
    share = _share(plan)
    figures: dict[str, Any] = {**rows, "share_of_a_round": share}
    return Findings(_described(plan, seeds), figures, _targets(rows, share))


def _attackers(attack: str) -> frozenset[int]:
    return frozenset() if attack == NONE else ATTACKERS


def _run(plan: Plan, attack: str) -> Run:
    task = Attacked(attack, ATTACKERS, plan.seed)
    simulation, records = Simulation(plan, task), list[RoundRecord]()
    simulation.run(records.append, f"r-{plan.seed}")
    named: dict[int, int] = {}
    for record in records:
        for node in record.nodes:
            if node.verdict is not None and node.verdict.suspected:
                named.setdefault(simulation.names.index(node.node), record.round)
    return Run(named, records[-1].accuracy)


def _share(plan: Plan) -> float:
    """What scrutiny takes of a round, by the processor's time for each."""
    simulation, records = Simulation(replace(plan, rounds=1), Attacked(NONE, ATTACKERS, 0)), []
    began = time.process_time()
    model = simulation.run(records.append, "r-0")
    whole = time.process_time() - began
    scrutiny, turns = Scrutiny(), 20
    began = time.process_time()
    for _ in range(turns):
        scrutiny.begin(simulation.model.vector())
        for name in simulation.names:
            scrutiny.see(name, model)
        scrutiny.judge()
    return (time.process_time() - began) / turns / whole


def _targets(rows: dict[str, dict[str, Row]], share: float) -> list[Target]:
    targets = []
    for attack in (LABEL_FLIP, SIGN_FLIP):
        for partition, found in rows.items():
            if attack in found:
                what = f"{attack.replace('_', ' ')}, {partition}"
                targets.append(at_least(f"{what}: precision", found[attack].precision or 0, LEAST))
                targets.append(at_least(f"{what}: recall", found[attack].recall or 0, LEAST))
    targets.append(at_most("scrutiny's share of a round", share, MOST_SHARE))
    return targets


def _described(plan: Plan, seeds: Sequence[int]) -> dict[str, Any]:
    names = ("task", "nodes", "rounds", "epochs", "alpha", "lr", "momentum", "batch_size")
    shown = {name: getattr(plan, name) for name in names}
    return {**shown, "attackers": len(ATTACKERS), "seeds": len(seeds)}


if __name__ == "__main__":
    sys.exit(run("attacks", measure))
