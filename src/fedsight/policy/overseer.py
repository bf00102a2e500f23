"""Decisions that are remembered: judged by the engine in force, and recorded in the audit trail."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple, Protocol

import msgspec

from fedsight.door.times import rfc3339
from fedsight.policy.audit import AuditError, Trail, TurnError
from fedsight.policy.audit.record import Said
from fedsight.policy.decision import Decision
from fedsight.policy.engine import Engine
from fedsight.policy.request import Request
from fedsight.signals import Event

SOURCE = "policy"
AUDIT_FAILED = "AUDIT_FAILED"
DECISION, EVENT = "decision", "event"

#: Actions whose decisions need not be recorded: they are many, and change nothing.
UNRECORDED = frozenset({"readMetrics"})


class Judged(NamedTuple):
    """Requests and their answers by one engine, which are not recorded yet."""

    requests: Sequence[Request]
    decisions: list[Decision]
    observe: bool

    def pairs(self) -> Iterable[tuple[Request, Decision]]:
        """Each request with its answer."""
        return zip(self.requests, self.decisions, strict=True)


class Recorded(NamedTuple):
    """Answers that may be given, and the number of the last one's record; None where none was."""

    decisions: list[Decision]
    last: int | None


class Signs(Protocol):
    """Signs the trail's heads beside whoever records; see `heads.Heads`."""

    def check(self) -> None:
        """Raise AuditError where the last head was not seen on disk."""

    def look(self) -> None:
        """Something was recorded: sign the head where it is time."""


class Overseer:
    """Judges requests and records each answer, with the request that it answers.

    Where the trail cannot be written, a decision that must be recorded is a refusal that says so
    (unless the engine only observes), and `tell` is given an event, once until it works again.
    Without a trail nothing is recorded. With `heads` the trail's heads are signed there.
    """

    def __init__(
        self,
        engine: Callable[[], Engine],
        trail: Trail | None,
        tell: Callable[[Event], None] = lambda _: None,
        *,
        unrecorded: frozenset[str] = UNRECORDED,
        heads: Signs | None = None,
    ) -> None:
        self._engine = engine
        self._trail = trail
        self._tell = tell
        self._unrecorded = unrecorded
        self._heads = heads
        self.fault: str | None = None
        self._kept = False

    @property
    def engine(self) -> Engine:
        """The engine in force."""
        return self._engine()

    def decide(self, request: Request) -> Decision:
        """Judge and record one request. Never raises."""
        return self.decide_all((request,))[0]

    def decide_all(self, requests: Sequence[Request]) -> list[Decision]:
        """Judge and record many: where one cannot be recorded, none is allowed."""
        return self.record(self.judge(requests)).decisions

    def foresee(self, requests: Sequence[Request]) -> list[Decision]:
        """What the answers would be: for a question on whose answer nothing is done, and which is
        therefore not recorded."""
        return self.judge(requests).decisions

    def judge(self, requests: Sequence[Request]) -> Judged:
        """Judge many, by one engine. Nothing may be answered before `record`."""
        engine = self._engine()
        return Judged(requests, engine.decide_all(requests), engine.observe)

    def record(self, judged: Judged, *, at_once: bool = False) -> Recorded:
        """Record what was judged; see `Trail.append_all` for `at_once`. Raises TurnError with that
        alone, where a turn to record would have to be waited for."""
        if self._trail is None:
            return Recorded(judged.decisions, None)
        pairs = [pair for pair in judged.pairs() if pair[0].action not in self._unrecorded]
        if not pairs:
            return Recorded(judged.decisions, None)
        try:
            said = [(DECISION, body(*pair)) for pair in pairs]
            last = self._append(self._trail, said, at_once)
        except (AuditError, ValueError) as error:
            if at_once and isinstance(error, TurnError):
                raise
            self.failed(error)
            return Recorded([self._refused(*one, error, judged) for one in judged.pairs()], None)
        self.fault = None
        return Recorded(judged.decisions, last)

    def _append(self, trail: Trail, said: Sequence[Said], at_once: bool) -> int:
        if self._heads is None:
            return trail.append_all(said, at_once=at_once)
        self._heads.check()
        try:
            last = trail.append_all(said, at_once=True)
        except TurnError:
            if at_once:
                raise
            last = trail.append_all(said)
        self._heads.look()
        return last

    def failed(self, error: Exception) -> None:
        """The trail cannot be written or followed: it is said once, until it works again."""
        self._kept = isinstance(error, TurnError)
        fault = str(error)
        if fault != self.fault:
            self.fault = fault
            message = f"decisions cannot be recorded and are refused: {fault}"
            self._tell(Event(time.time_ns(), SOURCE, AUDIT_FAILED, details={"message": message}))

    def free(self) -> None:
        """The turn to write the trail is to be had again: nothing else was wrong with it."""
        if self._kept:
            self.fault = None

    def _refused(
        self, request: Request, decision: Decision, error: Exception, judged: Judged
    ) -> Decision:
        if request.action in self._unrecorded:
            return decision
        return _unrecordable(decision, error, judged.observe)


def body(request: Request, decision: Decision) -> dict[str, Any]:
    """What the trail keeps of a decision."""
    return {
        "request": request,
        "allowed": decision.allowed,
        "rules": [one.id for one in decision.rules],
        "reason": decision.reason,
        "errors": decision.errors,
        "version": decision.version,
        "inputs": decision.inputs,
        "obligations": [str(one) for one in decision.obligations],
        "observed": decision.observed,
    }


def event_body(event: Event) -> dict[str, Any]:
    """What the trail keeps of an event."""
    return {
        "timestamp": rfc3339(event.time),
        "source": SOURCE,
        "event_type": event.kind,
        "details": event.details,
        "client_id": event.node,
        "run": event.run,
        "round": event.round,
    }


def _unrecordable(decision: Decision, error: Exception, observe: bool) -> Decision:
    message = f"the decision could not be recorded: {error}"
    return msgspec.structs.replace(
        decision,
        allowed=observe,
        rules=(),
        errors=(*decision.errors, message),
        obligations=(),
        observed=observe,
    )
