"""How fast fedsight simulates: beside a plain PyTorch loop, pfl-research and Flower's Ray.

fedsight goes through Flower's Message, Strategy and Grid and is observed, with a journal on disk.
Nobody evaluates. Every engine must be seen to learn; fedsight and the plain loop must end with
the same bits.
"""

from __future__ import annotations

import logging
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.command import Say, run
from benchmarks.measuring import Rounds, Spread, ratios, taking_turns
from benchmarks.peers import Farewell, Footprint, Peer, require
from benchmarks.plain import Trained, plain_run
from benchmarks.ray_peer import RAY_CPUS
from benchmarks.report import Findings, Target, at_least, at_most, holds
from benchmarks.simulated import WithoutEvaluation, held_out_losses, observed_run
from fedsight.federated.plan import Plan
from fedsight.tasks import load

MNIST_10 = Plan(task="mnist", nodes=10, epochs=1)
MNIST_100 = Plan(task="mnist", nodes=100, epochs=1)
#: 100 nodes with 14 or 15 samples each: a batch of 64 makes one local step of them.
TINY = Plan(task="digits", nodes=100, fraction=0.1, partition="iid", epochs=1, batch_size=64)

#: Rounds after Ray's first that its workers still need to settle.
RAY_WARM_UP = 5


@dataclass(frozen=True)
class Scale:
    """How much is run: blocks, and rounds of each engine in a block."""

    blocks: int
    mnist_rounds: int
    tiny_rounds: int
    ray_rounds: int


FULL = Scale(blocks=12, mnist_rounds=2, tiny_rounds=100, ray_rounds=10)
QUICK = Scale(blocks=5, mnist_rounds=1, tiny_rounds=20, ray_rounds=4)


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
class PeerFigures:
    """A peer in the tiny case. `ratio_to_plain` and `times_ours` are of a round's time."""

    round_ms: Spread
    first_round_seconds: float
    start_seconds: float
    ratio_to_plain: Spread
    times_ours: Spread
    held_out_loss: tuple[float, float]
    processes: int
    memory_bytes: int


@dataclass
class _Entered:
    """A peer that runs, and what its first round was."""

    peer: Peer
    first: Rounds
    start_seconds: float


def measure(quick: bool, say: Say) -> Findings:
    """Time simulated rounds: fedsight, a plain PyTorch loop, pfl-research, Flower's Ray."""
    require("ray", "pfl")
    torch.set_num_threads(1)
    logging.getLogger("flwr").setLevel(logging.ERROR)
    scale = QUICK if quick else FULL
    plain_run(load(TINY.task), replace(TINY, rounds=1))()  # torch imports more as it first trains
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        mnist = {
            label: _against_plain(replace(plan, rounds=scale.mnist_rounds), scale, folder, say)
            for label, plan in (("mnist_10_nodes", MNIST_10), ("mnist_100_nodes", MNIST_100))
        }
        tiny, peers = _tiny(replace(TINY, rounds=scale.tiny_rounds), scale, folder, say)
    figures: dict[str, Any] = {**mnist, "tiny": tiny, **peers}
    return Findings(_described(scale), figures, _targets(mnist, tiny, peers))


def _against_plain(plan: Plan, scale: Scale, folder: Path, say: Say) -> Against:
    found = taking_turns(_arms(plan, folder), scale.blocks, _prefixed(say, plan))
    return _compared(plan, found["fedsight"], found["plain"])


def _arms(plan: Plan, folder: Path) -> dict[str, Callable[[], Trained]]:
    task = WithoutEvaluation(load(plan.task))
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
    plan: Plan, scale: Scale, folder: Path, say: Say
) -> tuple[Against, dict[str, PeerFigures]]:
    with ExitStack() as stack:
        say("tiny: starting the peers")
        ray = _enter(stack, "benchmarks.ray_peer", plan, RAY_WARM_UP)
        pfl = _enter(stack, "benchmarks.pfl_peer", plan, 1)
        arms = _arms(plan, folder)
        found = taking_turns(
            {
                **arms,
                "pfl-research": lambda: _turn(pfl, scale.tiny_rounds),
                "Ray": lambda: _turn(ray, scale.ray_rounds),
            },
            scale.blocks,
            _prefixed(say, plan),
        )
        footprints = [entered.peer.footprint() for entered in (pfl, ray)]
        farewells = [entered.peer.farewell() for entered in (pfl, ray)]
    peers = {
        label: _peer_figures(entered, found, name, farewell, footprint)
        for label, entered, name, farewell, footprint in zip(
            ("pfl_research", "flower_ray"),
            (pfl, ray),
            ("pfl-research", "Ray"),
            farewells,
            footprints,
            strict=True,
        )
    }
    return _compared(plan, found["fedsight"], found["plain"]), peers


def _enter(stack: ExitStack, module: str, plan: Plan, warm_up: int) -> _Entered:
    """Start a peer and run its first round, which is told apart, and a few to warm up."""
    started = time.perf_counter()
    peer = stack.enter_context(Peer(module, plan))
    first = peer.turn(1)
    elapsed = time.perf_counter() - started
    peer.turn(warm_up)
    return _Entered(peer, first, elapsed - first.total)


def _turn(entered: _Entered, rounds: int) -> Trained:
    return Trained(entered.peer.turn(rounds), np.empty(0, np.float32))


def _peer_figures(
    entered: _Entered,
    found: dict[str, list[Trained]],
    name: str,
    farewell: Farewell,
    footprint: Footprint,
) -> PeerFigures:
    theirs, ours, plain = found[name], found["fedsight"], found["plain"]

    def median(run: Trained) -> float:
        return run.rounds.median

    return PeerFigures(
        round_ms=Spread.of([second * 1e3 for run in theirs for second in run.rounds.seconds]),
        first_round_seconds=entered.first.total,
        start_seconds=entered.start_seconds,
        ratio_to_plain=Spread.of(ratios(theirs, plain, median)),
        times_ours=Spread.of(ratios(theirs, ours, median)),
        held_out_loss=(farewell.loss_before, farewell.loss_after),
        processes=footprint.processes,
        memory_bytes=footprint.memory_bytes,
    )


def _targets(
    mnist: dict[str, Against], tiny: Against, peers: dict[str, PeerFigures]
) -> list[Target]:
    of_plain = "a round over the plain PyTorch loop's"
    all_ours = [*mnist.values(), tiny]
    learned = [case.held_out_loss for case in all_ours]
    learned += [peer.held_out_loss for peer in peers.values()]
    return [
        at_most(f"mnist, 10 nodes: {of_plain}", mnist["mnist_10_nodes"].ratio.median, 1.05),
        at_most(f"mnist, 100 nodes: {of_plain}", mnist["mnist_100_nodes"].ratio.median, 1.05),
        at_most(f"tiny: {of_plain}", tiny.ratio.median, 1.4),
        at_least(
            "tiny: a steady round of Flower's Ray simulation over ours",
            peers["flower_ray"].times_ours.median,
            40.0,
        ),
        holds(
            "the final model equals the plain loop's bit for bit, in all three cases",
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
        "mnist_rounds_a_block": scale.mnist_rounds,
        "tiny_rounds_a_block": scale.tiny_rounds,
        "ray_rounds_a_block": scale.ray_rounds,
        "ray_cpus": RAY_CPUS,
    }


if __name__ == "__main__":
    sys.exit(run("simulation", measure))
