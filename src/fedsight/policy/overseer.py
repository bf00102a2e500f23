"""Decisions that are remembered: judged by the engine in force, and recorded in the audit trail."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from fedsight.door.times import rfc3339
from fedsight.policy.audit import AuditError, Trail
from fedsight.policy.decision import Decision
from fedsight.policy.engine import Engine
from fedsight.policy.request import Request
from fedsight.signals import Event

SOURCE = "policy"
AUDIT_FAILED = "AUDIT_FAILED"
DECISION, EVENT = "decision", "event"

#: Actions whose decisions need not be recorded: they are many, and change nothing.
UNRECORDED = frozenset({"readMetrics"})


class Overseer:
    """Judges requests and records each answer, with the request that it answers.

    Where the trail cannot be written, a decision that must be recorded is a refusal that says so
    (unless the engine only observes), and `tell` is given an event, once until it works again.
    Without a trail nothing is recorded.
    """

    def __init__(
        self,
        engine: Callable[[], Engine],
        trail: Trail | None,
        tell: Callable[[Event], None] = lambda _: None,
        *,
        unrecorded: frozenset[str] = UNRECORDED,
    ) -> None:
        self._engine = engine
        self._trail = trail
        self._tell = tell
        self._unrecorded = unrecorded
        self.fault: str | None = None

    @property
    def engine(self) -> Engine:
        """The engine in force."""
        return self._engine()

    def decide(self, request: Request) -> Decision:
        """Judge and record one request. Never raises."""
        return self.decide_all((request,))[0]

    def decide_all(self, requests: Sequence[Request]) -> list[Decision]:
        """Judge and record many: where one cannot be recorded, none is allowed."""
        engine = self._engine()
        decisions = engine.decide_all(requests)
        if self._trail is None:
            return decisions
        pairs = [
            (request, decision)
            for request, decision in zip(requests, decisions, strict=True)
            if request.action not in self._unrecorded
        ]
        try:
            if pairs:
                self._trail.append_all((DECISION, body(*pair)) for pair in pairs)
                self.fault = None
        except (AuditError, ValueError) as error:
            self.failed(error)
            return [
                one if request.action in self._unrecorded else _unrecordable(one, error, engine)
                for request, one in zip(requests, decisions, strict=True)
            ]
        return decisions

    def failed(self, error: Exception) -> None:
        """The trail cannot be written or followed: it is said once, until it works again."""
        fault = str(error)
        if fault != self.fault:
            self.fault = fault
            message = f"decisions cannot be recorded and are refused: {fault}"
            self._tell(Event(time.time_ns(), SOURCE, AUDIT_FAILED, details={"message": message}))


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


def _unrecordable(decision: Decision, error: Exception, engine: Engine) -> Decision:
    message = f"the decision could not be recorded: {error}"
    return msgspec.structs.replace(
        decision,
        allowed=engine.observe,
        rules=(),
        errors=(*decision.errors, message),
        obligations=(),
        observed=engine.observe,
    )
