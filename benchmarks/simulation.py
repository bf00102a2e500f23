"""How fast fedsight simulates: beside a plain PyTorch loop, pfl-research and Flower's Ray.

fedsight goes through Flower's Message, Strategy and Grid and is observed, with a journal on disk.
Nobody evaluates. Every engine must be seen to learn. fedsight's loop, which runs the task's own
`train`, must end with the plain loop's bits; its cohort, which trains a round's nodes all at once,
with the plain loop's model to float precision after one round.
"""

from __future__ import annotations

import logging
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.command import Say, run
from benchmarks.measuring import Rounds, Spread, ratios, taking_turns
from benchmarks.peers import Peer, require
from benchmarks.plain import Trained, first_weights, plain_run
from benchmarks.ray_peer import RAY_CPUS
from benchmarks.report import Findings, Target, at_least, at_most, holds
from benchmarks.simulated import WithoutEvaluation, held_out_losses, observed_run, thinned
from fedsight.federated.flat import FlatModel
from fedsight.federated.plan import Plan
from fedsight.tasks import Task, load
from fedsight.tasks.mnist import MNIST

MNIST_10 = Plan(task="mnist", nodes=10, epochs=1)
MNIST_100 = Plan(task="mnist", nodes=100, epochs=1)
#: 100 nodes with 14 or 15 samples each: a batch of 64 makes one local step of them.
TINY = Plan(task="digits", nodes=100, fraction=0.1, partition="iid", epochs=1, batch_size=64)

#: Rounds after a peer's first that are not counted: Ray's workers still settle in them.
WARM_UP_ROUNDS = 5

#: Float precision: sums come in another order.
MOST_DIFFERENCE = 1e-5


@dataclass(frozen=True)
class Scale:
    """How much is run: blocks, rounds of each engine in a block, and every which mnist sample."""

    blocks: int
    mnist_every: int
    mnist_rounds: int
    tiny_rounds: int
    ray_rounds: int


FULL = Scale(blocks=12, mnist_every=1, mnist_rounds=2, tiny_rounds=100, ray_rounds=10)
QUICK = Scale(blocks=5, mnist_every=4, mnist_rounds=1, tiny_rounds=20, ray_rounds=4)


@dataclass(frozen=True)
class Against:
    """fedsight beside the plain loop. Rounds in milliseconds, means; `ratio` is ours over plain."""

    ours_ms: Spread
    plain_ms: Spread
    ratio: Spread
    same_bits: bool
    held_out_loss: tuple[float, float]

    @property
    def learns(self) -> bool:
        """Whether the held-out loss fell from the first weights to the last."""
        return self.held_out_loss[1] < self.held_out_loss[0]


@dataclass(frozen=True)
class Together:
    """fedsight's cohort in the tiny case: beside the plain loop, and beside fedsight's loop.

    `difference` is the largest of any weight from the plain loop's after one round, in parts of
    the largest distance that any weight moved in it.
    """

    ours_ms: Spread
    ratio: Spread
    ratio_to_loop: Spread
    difference: float
    held_out_loss: tuple[float, float]


@dataclass(frozen=True)
class PeerFigures:
    """A peer in the tiny case: its steady rounds, and their median over those of plain and ours.

    `first_round_seconds` is told apart: Ray starts its workers in it.
    """

    round_ms: Spread
    first_round_seconds: float
    ratio_to_plain: Spread
    times_loop: Spread
    times_cohort: Spread
    held_out_loss: tuple[float, float]
    processes: int
    memory_bytes: int


@dataclass(frozen=True)
class _Racer:
    """A peer that takes part, and its first round: with it came whatever it had to start."""

    peer: Peer
    rounds_a_turn: int
    first: Rounds

    def turn(self) -> Trained:
        """Its rounds of one block. Its model stays with it."""
        return Trained(self.peer.turn(self.rounds_a_turn), np.empty(0, np.float32))

    def figures(self, theirs: list[Trained], found: dict[str, list[Trained]]) -> PeerFigures:
        """What its turns came to beside the other arms'; it trains no more."""

        def median(run: Trained) -> float:
            return run.rounds.median

        footprint, farewell = self.peer.footprint(), self.peer.farewell()
        return PeerFigures(
            round_ms=Spread.of([second * 1e3 for run in theirs for second in run.rounds.seconds]),
            first_round_seconds=self.first.total,
            ratio_to_plain=Spread.of(ratios(theirs, found["plain"], median)),
            times_loop=Spread.of(ratios(theirs, found["fedsight"], median)),
            times_cohort=Spread.of(ratios(theirs, found["cohort"], median)),
            held_out_loss=(farewell.loss_before, farewell.loss_after),
            processes=footprint.processes,
            memory_bytes=footprint.memory_bytes,
        )


def measure(quick: bool, say: Say) -> Findings:
    """Time simulated rounds: fedsight, a plain PyTorch loop, pfl-research, Flower's Ray."""
    require("ray", "pfl")
    torch.set_num_threads(1)
    logging.getLogger("flwr").setLevel(logging.ERROR)
    scale = QUICK if quick else FULL
    plain_run(load(TINY.task), replace(TINY, rounds=1))()  # torch imports more as it first trains
    plan = replace(TINY, rounds=scale.tiny_rounds)
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        mnist = {
            label: _against_plain(replace(case, rounds=scale.mnist_rounds), scale, folder, say)
            for label, case in (("mnist_10_nodes", MNIST_10), ("mnist_100_nodes", MNIST_100))
        }
        racers = _racers(_launched(stack, plan), scale, say)
        tiny, cohort, raced = _tiny(plan, racers, scale, folder, say)
    figures: dict[str, Any] = {**mnist, "tiny": tiny, "tiny_cohort": cohort, **raced}
    return Findings(_described(scale), figures, _targets(mnist, tiny, cohort, raced))


def _against_plain(plan: Plan, scale: Scale, folder: Path, say: Say) -> Against:
    found = taking_turns(
        _arms(thinned(MNIST, scale.mnist_every), plan, folder), scale.blocks, _prefixed(say, plan)
    )
    return _compared(plan, found["fedsight"], found["plain"])


def _arms(whole: Task, plan: Plan, folder: Path) -> dict[str, Callable[[], Trained]]:
    task = WithoutEvaluation(whole)
    journals = folder / f"{plan.task}-{plan.nodes}"
    return {"plain": plain_run(task, plan), "fedsight": observed_run(task, plan, journals)}


def _compared(plan: Plan, ours: list[Trained], plain: list[Trained]) -> Against:
    return Against(
        ours_ms=Spread.of([run.rounds.mean * 1e3 for run in ours]),
        plain_ms=Spread.of([run.rounds.mean * 1e3 for run in plain]),
        ratio=Spread.of(ratios(ours, plain, lambda run: run.rounds.total)),
        same_bits=all(
            np.array_equal(mine.vector, its.vector) for mine, its in zip(ours, plain, strict=True)
        ),
        held_out_loss=held_out_losses(plan, ours[-1].vector),
    )


def _tiny(
    plan: Plan, racers: dict[str, _Racer], scale: Scale, folder: Path, say: Say
) -> tuple[Against, Together, dict[str, PeerFigures]]:
    turns = {name: racer.turn for name, racer in racers.items()}
    arms = {**_arms(load(plan.task), plan, folder), "cohort": _cohort(plan, folder), **turns}
    found = taking_turns(arms, scale.blocks, _prefixed(say, plan))
    raced = {name: racer.figures(found[name], found) for name, racer in racers.items()}
    together = _together(plan, found, _difference(plan, folder))
    return _compared(plan, found["fedsight"], found["plain"]), together, raced


def _cohort(plan: Plan, folder: Path) -> Callable[[], Trained]:
    task = WithoutEvaluation(load(plan.task))
    return observed_run(task, replace(plan, local="cohort"), folder / f"cohort-{plan.rounds}")


def _together(plan: Plan, found: dict[str, list[Trained]], difference: float) -> Together:
    cohort = found["cohort"]
    return Together(
        ours_ms=Spread.of([run.rounds.mean * 1e3 for run in cohort]),
        ratio=Spread.of(ratios(cohort, found["plain"], lambda run: run.rounds.total)),
        ratio_to_loop=Spread.of(ratios(cohort, found["fedsight"], lambda run: run.rounds.total)),
        difference=difference,
        held_out_loss=held_out_losses(plan, cohort[-1].vector),
    )


def _difference(plan: Plan, folder: Path) -> float:
    """How far the cohort's model is from the plain loop's after one round: see `Together`."""
    once, task = replace(plan, rounds=1), load(plan.task)
    start = FlatModel(task.model(first_weights(plan))).vector()
    plain, cohort = plain_run(task, once)().vector, _cohort(once, folder)().vector
    return float(np.abs(cohort - plain).max() / np.abs(plain - start).max())


def _launched(stack: ExitStack, plan: Plan) -> dict[str, Peer]:
    """Both peers, starting; leaving `stack` ends them."""
    modules = {"flower_ray": "benchmarks.ray_peer", "pfl_research": "benchmarks.pfl_peer"}
    return {name: stack.enter_context(Peer(module, plan)) for name, module in modules.items()}


def _racers(peers: dict[str, Peer], scale: Scale, say: Say) -> dict[str, _Racer]:
    """The peers, warmed up: a first round, then some that do not count."""
    say("tiny: waiting for the peers")
    rounds = {"flower_ray": scale.ray_rounds, "pfl_research": scale.tiny_rounds}
    racers = {name: _Racer(peer, rounds[name], peer.turn(1)) for name, peer in peers.items()}
    for racer in racers.values():
        racer.peer.turn(WARM_UP_ROUNDS)
    return racers


def _targets(
    mnist: dict[str, Against], tiny: Against, cohort: Together, peers: dict[str, PeerFigures]
) -> list[Target]:
    of_plain = "a round over the plain PyTorch loop's"
    all_ours = [*mnist.values(), tiny]
    learned = [case.held_out_loss for case in all_ours]
    learned += [cohort.held_out_loss]
    learned += [peer.held_out_loss for peer in peers.values()]
    return [
        at_most(f"mnist, 10 nodes: {of_plain}", mnist["mnist_10_nodes"].ratio.median, 1.05),
        at_most(f"mnist, 100 nodes: {of_plain}", mnist["mnist_100_nodes"].ratio.median, 1.05),
        at_most(f"tiny, --local loop: {of_plain}", tiny.ratio.median, 1.4),
        at_least(
            "tiny: a steady round of Flower's Ray simulation over ours with --local cohort",
            peers["flower_ray"].times_cohort.median,
            40.0,
        ),
        at_most(
            "tiny, --local cohort: difference from the plain loop's model after one round,"
            " in parts of how far it moved",
            cohort.difference,
            MOST_DIFFERENCE,
        ),
        holds(
            "the final model equals the plain loop's bit for bit, in all three cases"
            " with --local loop",
            all(case.same_bits for case in all_ours),
        ),
        holds(
            "every engine learns: its held-out loss falls",
            all(after < before for before, after in learned),
        ),
    ]


def _prefixed(say: Say, plan: Plan) -> Callable[[str], None]:
    return lambda line: say(f"{plan.task}, {plan.nodes} nodes: {line}")


def _described(scale: Scale) -> dict[str, Any]:
    return {
        "blocks": scale.blocks,
        "mnist_every_which_sample": scale.mnist_every,
        "mnist_rounds_a_block": scale.mnist_rounds,
        "tiny_rounds_a_block": scale.tiny_rounds,
        "ray_rounds_a_block": scale.ray_rounds,
        "ray_cpus": RAY_CPUS,
    }


if __name__ == "__main__":
    sys.exit(run("simulation", measure))
