"""What being observed costs a run: journal, shipping and a live collector against none of it.

Observed is what `fedsight run` does: every round journaled on disk and shipped by a background
thread to a real collector, a process of its own. Not observed is the same strategy on the same
grid without any of it. Both evaluate. A third arm, not observed either, shows what the same
pairing makes of no difference at all: that much is the machine's, not ours.
"""

from __future__ import annotations

import itertools
import logging
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import torch

from benchmarks.command import Say, run
from benchmarks.measuring import Spread, ratios, shows, taking_turns
from benchmarks.report import Findings, Target, at_most, holds
from benchmarks.simulated import unobserved
from fedsight import config
from fedsight.cli.attached import Collector, make_writable
from fedsight.cli.kept import collector
from fedsight.errors import FedsightError
from fedsight.federated.engines.simulated import Simulation
from fedsight.federated.plan import Plan
from fedsight.federated.training import train
from fedsight.journal import Journal, Shipper
from fedsight.journal.http import HttpSink
from fedsight.tasks import load

logger = logging.getLogger(__name__)

#: One local epoch where a default run has five: a round is shorter, so observing it weighs more.
PLAN = Plan(task="mnist", nodes=10, epochs=1)
#: What observing may cost, beyond what the pairing of a run with itself shows.
ALLOWED = 1.02
FLUSH_SECONDS = 30.0


@dataclass(frozen=True)
class Scale:
    """How much is run: blocks of three runs, and rounds of each."""

    blocks: int
    rounds: int


FULL = Scale(blocks=18, rounds=4)
QUICK = Scale(blocks=6, rounds=1)


@dataclass(frozen=True)
class Timed:
    """One run: wall and CPU seconds of this process, to the end of the last round.

    `flush_seconds` is what was left to ship after that; None where nothing is shipped.
    """

    seconds: float
    cpu_seconds: float
    flush_seconds: float | None = None
    complete: bool = True


def measure(quick: bool, say: Say) -> Findings:
    """Time runs of task mnist observed and not observed, and the same run against itself."""
    torch.set_num_threads(1)
    logging.getLogger("flwr").setLevel(logging.ERROR)
    scale = QUICK if quick else FULL
    plan = replace(PLAN, rounds=scale.rounds)
    with tempfile.TemporaryDirectory() as name:
        settings = replace(config.load(), data=Path(name))
        make_writable(settings.data)
        with collector(settings, 0, attach=False, tell=logger.warning) as reached:
            observed = _observed(plan, reached, settings.journals)
            _not_observed(plan)
            found = taking_turns(
                {
                    "not observed": lambda: _not_observed(plan),
                    "observed": observed,
                    "not observed again": lambda: _not_observed(plan),
                },
                scale.blocks,
                say,
            )
    return _findings(scale, found)


def _findings(scale: Scale, found: dict[str, list[Timed]]) -> Findings:
    reference, observed, again = found.values()

    def wall(timed: Timed) -> float:
        return timed.seconds

    ratio = Spread.of(ratios(observed, reference, wall))
    null = ratios(again, reference, wall)
    flushes = [timed.flush_seconds for timed in observed if timed.flush_seconds is not None]
    figures: dict[str, Any] = {
        "observed_seconds": Spread.of([timed.seconds for timed in observed]),
        "not_observed_seconds": Spread.of([timed.seconds for timed in reference]),
        "ratio": ratio,
        "null_ratio": Spread.of(null),
        "null_shows": shows(null),
        "cpu_ratio": Spread.of(ratios(observed, reference, lambda timed: timed.cpu_seconds)),
        "flush_after_run_seconds": Spread.of(flushes),
    }
    described = {"pairs": scale.blocks, "rounds_a_run": scale.rounds, "epochs": PLAN.epochs}
    complete = all(timed.complete for timed in observed)
    return Findings(described, figures, targets(ratio.median, shows(null), complete))


def targets(ratio: float, shown: float, complete: bool) -> list[Target]:
    """The promises, given the median ratio and what the pairing of a run with itself shows."""
    what = f"observed over not observed ({ALLOWED} and what a run against itself shows)"
    return [
        at_most(what, ratio, ALLOWED + shown),
        holds("the collector holds every round and every node's row of every run", complete),
    ]


def _not_observed(plan: Plan) -> Timed:
    watch = _Watch()
    unobserved(Simulation(plan, load(plan.task)))
    return watch.stop()


def _observed(plan: Plan, reached: Collector, folder: Path) -> Callable[[], Timed]:
    """Runs as `fedsight run` has them, each with a journal of its own."""
    numbers = itertools.count(1)

    def observed() -> Timed:
        run_id = f"r-{next(numbers)}"
        journal = Journal(folder, run_id)
        try:
            with HttpSink(reached.url, reached.token) as sink, Shipper(journal, sink) as shipper:
                watch = _Watch()
                train(plan, journal, run_id=run_id)
                timed = watch.stop()
                flush = _flush(shipper)
        finally:
            journal.close()
        return replace(timed, flush_seconds=flush, complete=_stored(reached, run_id, plan))

    return observed


def _flush(shipper: Shipper) -> float:
    started = time.perf_counter()
    if not shipper.flush(FLUSH_SECONDS):
        raise FedsightError(f"the collector took nothing: {shipper.health.last_error}")
    return time.perf_counter() - started


def _stored(reached: Collector, run_id: str, plan: Plan) -> bool:
    """Whether the collector has each round once, and each node's row in each."""
    address = f"{reached.url}/api/v1/runs/{run_id}"
    with httpx.Client(trust_env=False, headers=_authorized(reached)) as client:
        rounds = client.get(f"{address}/rounds").raise_for_status().json()["total"]
        clients = client.get(f"{address}/clients").raise_for_status().json()["total"]
    return (rounds, clients) == (plan.rounds, plan.rounds * plan.nodes)


def _authorized(reached: Collector) -> dict[str, str]:
    return {"Authorization": f"Bearer {reached.token}"}


class _Watch:
    """Wall and CPU time of this process, all threads, from when it is made."""

    def __init__(self) -> None:
        self._cpu, self._wall = time.process_time(), time.perf_counter()

    def stop(self) -> Timed:
        return Timed(time.perf_counter() - self._wall, time.process_time() - self._cpu)


if __name__ == "__main__":
    sys.exit(run("overhead", measure))
