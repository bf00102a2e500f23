"""What a round on separate processes takes, beside Flower as it is shipped.

Warm nodes are ours: the rounds of `fedsight run --engine deployment`, chosen, checked, journaled.
Stock is Flower's SuperLink, its SuperNodes and its FedAvg over its own grid, with the same model,
data and seed; neither evaluates on nodes. Both live in processes of their own at the same time and
take turns. A first round is counted from starting the command, with nothing running.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.command import Say, run
from benchmarks.measuring import FEWEST_BLOCKS, Rounds, Spread, ratios, taking_turns
from benchmarks.peers import Peer
from benchmarks.report import Findings, Target, at_least, at_most, holds
from benchmarks.startup import start
from fedsight.config import load
from fedsight.errors import FedsightError
from fedsight.federated.link.address import Address
from fedsight.federated.link.caller import Place
from fedsight.federated.link.launch import launched
from fedsight.federated.link.linked import Linked
from fedsight.federated.plan import DEPLOYMENT, SIMULATION, Plan
from fedsight.federated.training import train
from fedsight.journal import Journal

WARM, STOCK = "benchmarks.warm_peer", "benchmarks.stock_peer"
TASKS = "benchmarks.sized"
#: Rounds before the timed ones: the first of them waits for its nodes to come.
WARM_UP = 2

#: The least that a stock round takes over a warm one's, by case.
TINY, MNIST = "1 ms of numpy", "mnist, 1 epoch"
LEAST_TIMES = {TINY: 12.0, MNIST: 5.0}
#: The most seconds until the first round, by number of nodes.
MOST_FIRST = {2: 5.0, 8: 12.0}
MOST_LARGE_SECONDS = 1.5
#: What many tensors may cost over few: nothing, to within what a machine's noise shows.
MOST_TENSORS_RATIO = 1.1


@dataclass(frozen=True)
class Case:
    """A task and nodes on which warm and stock take turns."""

    name: str
    task: str
    nodes: int
    epochs: int = 1

    @property
    def plan(self) -> Plan:
        """Its plan."""
        return Plan(task=self.task, engine=DEPLOYMENT, nodes=self.nodes, epochs=self.epochs)

    def __str__(self) -> str:
        return f"{self.name}, {self.nodes} nodes"


@dataclass(frozen=True)
class Scale:
    """How much is run. `large` is a model of many values, and `starts` how many nodes are
    started, and how often."""

    blocks: int
    warm_rounds: int
    cases: tuple[Case, ...]
    large: str
    starts: tuple[tuple[int, int], ...]


FULL = Scale(
    blocks=FEWEST_BLOCKS,
    warm_rounds=20,
    cases=(
        Case(TINY, f"{TASKS}:TINY", 2),
        Case(TINY, f"{TASKS}:TINY", 8),
        Case(MNIST, "mnist", 2),
    ),
    large="TEN_MILLION",
    starts=((2, 5), (8, 5)),
)
QUICK = Scale(
    blocks=FEWEST_BLOCKS,
    warm_rounds=5,
    cases=(Case(TINY, f"{TASKS}:TINY", 2),),
    large="MILLION",
    starts=(),
)


@dataclass(frozen=True)
class Compared:
    """Milliseconds of a round: warm ones' mean in each block, and one stock round in each."""

    warm_ms: Spread
    stock_ms: Spread
    times: Spread


def measure(quick: bool, say: Say) -> Findings:
    """Rounds on warm and on stock nodes, first rounds, large models, many tensors."""
    scale = QUICK if quick else FULL
    compared = {str(case): _compared(case, scale, say) for case in scale.cases}
    large = _alone(scale.large, scale, say)
    tensors = _tensors(scale, say)
    first = {nodes: _first(nodes, times, say) for nodes, times in scale.starts}
    say("bits")
    same = same_bits()
    figures = {
        **compared,
        f"{scale.large.lower()} values, 2 nodes, round seconds": large,
        "200 tensors over 4": tensors,
        **{f"first round, {nodes} nodes, seconds": one for nodes, one in first.items()},
    }
    told = {"blocks": scale.blocks, "warm_rounds_a_block": scale.warm_rounds}
    targets = _targets(scale, compared, large, tensors, first, same)
    return Findings({**told, "stock_rounds_a_block": 1}, figures, targets)


def _targets(
    scale: Scale,
    compared: dict[str, Compared],
    large: Spread,
    tensors: Spread,
    first: dict[int, Spread],
    same: bool,
) -> list[Target]:
    return [
        *(
            at_least(
                f"{case}: a stock round over a warm one's",
                compared[str(case)].times.median,
                LEAST_TIMES[case.name],
            )
            for case in scale.cases
        ),
        *(
            at_most(
                f"seconds from the command to the end of its first round, {nodes} nodes",
                one.median,
                MOST_FIRST[nodes],
            )
            for nodes, one in first.items()
        ),
        at_most(
            f"seconds of a round of {scale.large.lower().replace('_', ' ')} values, 2 nodes",
            large.median,
            MOST_LARGE_SECONDS,
        ),
        at_most("200 tensors over 4 of the same size", tensors.median, MOST_TENSORS_RATIO),
        holds("both engines end with the same bits", same),
    ]


def _compared(case: Case, scale: Scale, say: Say) -> Compared:
    say(f"{case}: starting both federations")
    with Peer(WARM, case.plan) as warm, Peer(STOCK, case.plan) as stock:
        for peer in (warm, stock):
            peer.turn(WARM_UP)
        arms = {WARM: lambda: warm.turn(scale.warm_rounds), STOCK: lambda: stock.turn(1)}
        found = taking_turns(arms, scale.blocks, say)
    return Compared(
        _ms(found[WARM]), _ms(found[STOCK]), Spread.of(ratios(found[STOCK], found[WARM], _mean))
    )


def _alone(name: str, scale: Scale, say: Say) -> Spread:
    """Seconds of each round of a task of ours on two nodes."""
    say(f"{name.lower()} values")
    with Peer(WARM, Plan(task=f"{TASKS}:{name}", engine=DEPLOYMENT, nodes=2)) as peer:
        peer.turn(WARM_UP)
        return Spread.of(peer.turn(2 * scale.blocks).seconds)


def _tensors(scale: Scale, say: Say) -> Spread:
    """A round with many tensors over one with few."""
    with ExitStack() as open_:
        peers = {
            name: open_.enter_context(
                Peer(WARM, Plan(task=f"{TASKS}:{name}", engine=DEPLOYMENT, nodes=2))
            )
            for name in ("MANY_TENSORS", "FOUR_TENSORS")
        }
        for peer in peers.values():
            peer.turn(WARM_UP)
        arms = {name: _turns(peer, scale.warm_rounds) for name, peer in peers.items()}
        found = taking_turns(arms, 2 * scale.blocks, say)
    return Spread.of(ratios(found["MANY_TENSORS"], found["FOUR_TENSORS"], lambda one: one.median))


def _turns(peer: Peer, rounds: int) -> Callable[[], Rounds]:
    return lambda: peer.turn(rounds)


def _first(nodes: int, times: int, say: Say) -> Spread:
    """Seconds from starting `fedsight run` to the line of its first round."""
    flags = ("--engine", DEPLOYMENT, "--nodes", str(nodes), "--task", "digits", "--epochs", "1")
    start(flags)  # the disk cache is warm from now on
    found = []
    for number in range(1, times + 1):
        say(f"first round on {nodes} nodes, {number} of {times}")
        found.append(start(flags).first_round)
    return Spread.of(found)


def same_bits() -> bool:
    """Whether a deployed run ends with the bits of the simulated one."""
    plan = Plan(task="digits", nodes=2, rounds=3, epochs=1)
    with tempfile.TemporaryDirectory(prefix="fb-") as folder:
        settings = replace(load(None), data=Path(folder))
        digests = []
        with launched(settings, plan.nodes, task=plan.task) as federation:
            link = Linked(Place(Address.of(federation.address)), plan.nodes)
            for engine in (DEPLOYMENT, SIMULATION):
                with Journal(settings.journals, f"r-{engine}") as journal:
                    asked = replace(plan, engine=engine)
                    outcome = train(asked, journal, run_id=journal.id, link=link)
                if outcome.model_sha256 is None:
                    raise FedsightError(f"the run on the {engine} engine failed: {outcome.reason}")
                digests.append(outcome.model_sha256)
    return digests[0] == digests[1]


def _mean(rounds: Rounds) -> float:
    return rounds.mean


def _ms(blocks: Sequence[Rounds]) -> Spread:
    return Spread.of([1000 * one.mean for one in blocks])


if __name__ == "__main__":
    sys.exit(run("deployment", measure))
