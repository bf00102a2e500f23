"""What being governed costs a round: task mnist on the simulation, with the default set or without.

Governed is what `fedsight run --policy` does: `nextRound`, `train` for each node, `shareModel` for
each update with the size and norm that were measured, trust, and the audit trail on disk. A third
arm, not governed either, shows what the same pairing makes of no difference at all. The time within
governance is taken as well, call by call: what it adds is less than what a round varies by.
"""

from __future__ import annotations

import itertools
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from benchmarks.command import Say
from benchmarks.measuring import FEWEST_BLOCKS, Spread, ratios, shows, taking_turns
from benchmarks.report import Target, at_most
from fedsight.federated.governance import Governance
from fedsight.federated.governing import Ruled, governing
from fedsight.federated.plan import Plan
from fedsight.federated.training import Steering, train
from fedsight.journal import Journal
from fedsight.policy.files import default_texts

#: As `benchmarks.overhead` has it: one local epoch where a default run has five, so that it weighs
#: more.
PLAN = Plan(task="mnist", nodes=10, epochs=1)
BLOCKS, ROUNDS, QUICK_ROUNDS = 9, 8, 1
#: What being governed may add to a round.
ALLOWED = 0.01


@dataclass(frozen=True)
class _Run:
    """Seconds of one run, of its processor time, and within governance."""

    seconds: float
    cpu_seconds: float
    governing_seconds: float = 0.0


class _Timed:
    """A governance whose calls are timed."""

    def __init__(self, governance: Governance) -> None:
        self._governance = governance
        self.seconds = 0.0

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._governance, name)
        if not callable(found):
            return found

        def called(*arguments: Any, **named: Any) -> Any:
            began = time.perf_counter()
            try:
                return found(*arguments, **named)
            finally:
                self.seconds += time.perf_counter() - began

        return called


def governed_rounds(quick: bool, say: Say) -> tuple[dict[str, object], list[Target]]:
    """Figures of rounds with policy and without, and what is promised of them."""
    plan = replace(PLAN, rounds=QUICK_ROUNDS if quick else ROUNDS)
    with tempfile.TemporaryDirectory() as name:
        rules = Path(name) / "policy"
        rules.mkdir()
        for file, text in default_texts().items():
            (rules / file).write_text(text, encoding="utf-8")
        numbers = itertools.count(1)

        def plain() -> _Run:
            return _ungoverned(plan, Path(name), f"r-{next(numbers)}")

        def governed() -> _Run:
            return _governed(plan, Path(name), f"r-{next(numbers)}", rules)

        arms: dict[str, Callable[[], _Run]] = {
            "not governed": plain,
            "governed": governed,
            "not governed again": plain,
        }
        for arm in arms.values():
            arm()
        found = taking_turns(arms, FEWEST_BLOCKS if quick else BLOCKS, say)
    return _told(plan, *found.values())


def _told(
    plan: Plan, reference: list[_Run], governed: list[_Run], again: list[_Run]
) -> tuple[dict[str, object], list[Target]]:
    def wall(one: _Run) -> float:
        return one.seconds

    rounds = plan.rounds
    null = ratios(again, reference, wall)
    ratio = Spread.of(ratios(governed, reference, wall))
    within = [one.governing_seconds / rounds * 1e3 for one in governed]
    share = Spread.of([one.governing_seconds / one.seconds for one in governed])
    figures: dict[str, object] = {
        "a round, not governed: ms": _milliseconds(reference, rounds),
        "a round, governed: ms": _milliseconds(governed, rounds),
        "governed over not governed": ratio,
        "not governed over itself": Spread.of(null),
        "governed over not governed, processor time": Spread.of(
            ratios(governed, reference, lambda one: one.cpu_seconds)
        ),
        "governing a round: ms": Spread.of(within),
        "governing a round, each client: ms": Spread.of([one / plan.nodes for one in within]),
        "governing's share of a round": share,
    }
    what = f"governed over not governed ({1 + ALLOWED} and what a run against itself shows)"
    return figures, [
        at_most("governing's share of a round of mnist", share.median, ALLOWED),
        at_most(what, ratio.median, 1 + ALLOWED + shows(null)),
    ]


def _milliseconds(runs: list[_Run], rounds: int) -> Spread:
    return Spread.of([one.seconds / rounds * 1e3 for one in runs])


def _ungoverned(plan: Plan, folder: Path, run_id: str) -> _Run:
    journal = Journal(folder / "journals", run_id)
    try:
        return _timed(plan, journal, run_id, Steering())
    finally:
        journal.close()


def _governed(plan: Plan, folder: Path, run_id: str, rules: Path) -> _Run:
    journal = Journal(folder / "journals", run_id)
    made: list[_Timed] = []
    try:
        with governing(rules, folder, journal) as govern:

            def watched(one: Ruled) -> Governance:
                made.append(_Timed(govern(one)))
                return cast(Governance, made[-1])

            timed = _timed(plan, journal, run_id, Steering(govern=watched))
    finally:
        journal.close()
    return replace(timed, governing_seconds=sum(one.seconds for one in made))


def _timed(plan: Plan, journal: Journal, run_id: str, steering: Steering) -> _Run:
    cpu, wall = time.process_time(), time.perf_counter()
    train(plan, journal, run_id=run_id, steering=steering)
    return _Run(time.perf_counter() - wall, time.process_time() - cpu)
