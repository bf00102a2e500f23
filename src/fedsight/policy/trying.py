"""A process beside the service that looks at drafts and replays: its work holds nobody up, and it
can be ended at a deadline.

    python -m fedsight.policy.trying

reads one order a line (JSON) and answers each with lines of its own: how far it is, then what it
found. It says `READY` first.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec
from msgspec import Struct

from fedsight.errors import FedsightError
from fedsight.policy import testing
from fedsight.policy.engine import Engine
from fedsight.policy.faults import Fault, PolicyError
from fedsight.policy.replay import Replayed, replay
from fedsight.policy.request import Party, Ref, Request
from fedsight.policy.ruleset import RuleSet, ruleset

READY = b"ready\n"
CHANGE = "changePolicy"
MOST_FAULTS = 100
#: Whoever decides goes first: a replay here has one process, and what others leave of the machine.
_NICE = 19
_TELL_SECONDS = 0.2


class FaultRow(Struct, frozen=True):
    """What is wrong, where, and what was expected there."""

    file: str
    line: int | None
    column: int | None
    message: str


class TestRow(Struct, frozen=True):
    """What came of one test: `wrong` is null where it passed; `rules` are those that decided."""

    file: str
    line: int | None
    name: str
    expected: str
    got: str
    rules: list[str]
    errors: list[str]
    wrong: str | None


class Tried(Struct, frozen=True):
    """Whether a set would be taken, what is wrong with it, and what came of its tests.

    A set whose rules are wrong has no tests run. `ok` says nothing of the tests that failed: they
    promise what the authors want, and do not keep a set from being right. `change_refused` says why
    whoever asks could not change it any more over HTTP, once it is in force.
    """

    ok: bool
    version: str | None
    rules: int
    faults: list[FaultRow]
    warnings: list[str]
    tests: list[TestRow]
    change_refused: str | None = None


class Order(Struct, frozen=True):
    """A draft to look at, for an operator; with `folder` one to replay the trail there by (from and
    to, in ns)."""

    files: dict[str, str]
    folder: str | None = None
    since: int | None = None
    until: int | None = None
    asker: str | None = None
    roles: list[str] = msgspec.field(default_factory=list)


class Heard(Struct, frozen=True, omit_defaults=True):
    """A line of an answer: the share that is done, or at last what was found, or `error`."""

    share: float | None = None
    tried: Tried | None = None
    replayed: Replayed | None = None
    error: str | None = None

    @property
    def last(self) -> bool:
        """Whether nothing follows."""
        return self.share is None


def tried(files: Mapping[str, str], asker: Party | None = None) -> Tried:
    """Look at a set. Never raises: what is wrong is what it answers."""
    try:
        found = ruleset(files)
    except PolicyError as error:
        return Tried(False, None, 0, _faults(error), [], [])
    try:
        engine = Engine(found)
        tests = [_row(one) for one in testing.run(engine, files)]
    except PolicyError as error:
        return Tried(False, found.version, len(found.rules), _faults(error), [], [])
    why = None if asker is None else _why_not(engine, asker)
    return Tried(True, found.version, len(found.rules), [], list(found.warnings), tests, why)


def _why_not(engine: Engine, asker: Party) -> str | None:
    """Why somebody may not change the set, where it judges that."""
    said = engine.decide(Request(asker, CHANGE, time.time_ns()))
    return None if said.allowed else said.reason


def _faults(error: PolicyError) -> list[FaultRow]:
    return [_fault(one) for one in error.faults[:MOST_FAULTS]]


def _fault(one: Fault) -> FaultRow:
    line, column = (None, None) if one.place is None else one.place
    return FaultRow(one.file, line, column, one.message)


def _row(one: testing.Tested) -> TestRow:
    said = one.decision
    rules = [rule.id for rule in said.rules]
    got = "allowed" if said.allowed else "refused"
    got += f" by {', '.join(rules)}" if rules else ""
    if not said.allowed and not rules and not said.errors:
        got += " by no rule"
    return TestRow(
        one.file, one.line, one.name, one.expected, got, rules, list(said.errors), one.wrong
    )


def answer(order: Order, tell: Callable[[float], None]) -> Heard:
    """What comes of an order."""
    if order.folder is None:
        roles = tuple(Ref("Role", role) for role in order.roles)
        asker = Party("Operator", order.asker, groups=roles) if order.asker else None
        return Heard(tried=tried(order.files, asker))
    try:
        candidate: RuleSet = ruleset(order.files)
        folder = Path(order.folder)
        since, until = order.since, order.until
        found = replay(candidate, folder, since=since, until=until, processes=1, tell=tell)
    except FedsightError as error:
        return Heard(error=str(error))
    return Heard(replayed=found)


class _Telling:
    """Says how far it is, a few times a second."""

    def __init__(self) -> None:
        self._next = 0.0

    def __call__(self, share: float) -> None:
        now = time.monotonic()
        if now >= self._next:
            self._next = now + _TELL_SECONDS
            _say(Heard(share=share))


def _say(heard: Heard) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(heard) + b"\n")
    sys.stdout.buffer.flush()


def main() -> int:
    """Be that process, until standard input ends."""
    os.nice(_NICE)
    orders = msgspec.json.Decoder(Order)
    sys.stdout.buffer.write(READY)
    sys.stdout.buffer.flush()
    for line in sys.stdin.buffer:
        _say(answer(orders.decode(line), _Telling()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
