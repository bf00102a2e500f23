"""The service's centre: it decides, records, and only then answers."""

from __future__ import annotations

import hashlib
import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from fedsight.door.exposition import Histogram
from fedsight.door.refusal import RefusedError
from fedsight.door.times import rfc3339
from fedsight.policy.audit import AuditError, SigningKey, Trail
from fedsight.policy.audit.following import Told
from fedsight.policy.decision import Decision
from fedsight.policy.overseer import AUDIT_FAILED, DECISION, EVENT, Overseer, event_body
from fedsight.policy.request import Party, Request
from fedsight.policy.service.access import Access
from fedsight.policy.service.kept import EventRow, Shelf
from fedsight.policy.service.options import PolicyOptions
from fedsight.policy.service.standing import Standings
from fedsight.policy.shared_trust import TRUST
from fedsight.policy.watching import InForce
from fedsight.signals import Event

log = logging.getLogger(__name__)

KEY, TRAIL = "keys/audit", "audit"
#: Upper ends of the buckets of the time that a decision takes, in seconds.
BOUNDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.25)


class Abreast:
    """A lock; whoever takes it finds what others recorded, too: `follow` is called."""

    def __init__(self, follow: Callable[[], None]) -> None:
        self._lock = threading.RLock()
        self._follow = follow

    def __enter__(self) -> None:
        self._lock.acquire()
        try:
            self._follow()
        except BaseException:
            self._lock.release()
            raise

    def __exit__(self, *_: object) -> None:
        self._lock.release()


@dataclass(frozen=True)
class Answered:
    """A decision and its number in the trail; None where it could not be recorded."""

    decision: Decision
    number: int | None


class Deciding:
    """The engine in force, the trail, the newest decisions and events.

    The trail is the data directory's, to which governed runs append, too: what they record is among
    the decisions and events here for whoever holds `lock`. Raises PolicyError where the set is
    wrong and none was recorded, and AuditError where the trail cannot be opened.
    """

    def __init__(self, options: PolicyOptions) -> None:
        self.options = options
        self.access = Access()
        self.counts: dict[tuple[str, bool], int] = {}
        self.refusals: dict[str, int] = {}
        self.seconds = Histogram(BOUNDS)
        self.lock = Abreast(self._follow)
        self.standings = Standings(options.data / TRUST)
        self._own: list[int] = []
        key = SigningKey.open(options.data / KEY)
        waiting: list[Event] = []
        self._tell = waiting.append
        self.force = InForce(
            options.rules, lambda event: self._tell(event), observe=options.observe
        )
        self._shelf = Shelf(key, options.kept, options.kept_bytes)
        self.decisions, self.events = self._shelf.decisions, self._shelf.events
        self.trail = Trail(
            options.data / TRAIL, key, listener=self._heard, head_records=options.head_records
        )
        self._shelf.load(options.data / TRAIL, self.trail.seq)
        self.overseer = Overseer(
            lambda: self.force.engine, self.trail, self.told, unrecorded=frozenset()
        )
        self._tell = self.told
        for event in waiting:
            self.told(event)

    @property
    def head(self) -> EventRow | None:
        """The newest signed head, as the event that tells of it."""
        return self._shelf.head

    def close(self) -> None:
        """Sign the trail's head and let go of it."""
        self.standings.close()
        with self.lock:
            try:
                self.trail.close()
            except AuditError as error:
                log.warning("the head of the audit trail was not signed: %s", error)

    def look(self) -> None:
        """Take in what others recorded, and sign the head where it is time, whoever wrote."""
        with self.lock:
            try:
                self.trail.sign(due=True)
            except AuditError as error:
                self.overseer.failed(error)

    def decide_all(self, requests: Sequence[Request]) -> list[Answered]:
        """Judge, record, and give back the answers in order."""
        begun = time.perf_counter()
        with self.lock:
            self._own = own = list[int]()
            decisions = self.overseer.decide_all(requests)
            self._count(requests, decisions)
            self.seconds.observe(time.perf_counter() - begun)
        numbers: list[int | None] = (
            [*own] if len(own) == len(decisions) else [None] * len(decisions)
        )
        return [Answered(*pair) for pair in zip(decisions, numbers, strict=True)]

    def _heard(self, told: Told) -> None:
        if told.own and told.kind == DECISION:
            self._own.append(told.seq)
        self._shelf.take(told)

    def _follow(self) -> None:
        try:
            self.trail.follow()
        except AuditError as error:
            self.overseer.failed(error)

    def permit(self, who: Party, action: str, *, recorded: bool = False) -> None:
        """Raise RefusedError 403 where the operator may not; a change's decision is recorded."""
        request = self.access.asked(who, action)
        if recorded and action in self.force.engine.ruleset.actions:
            decision = self.decide_all((request,))[0].decision
        else:
            decision = self.access.judged(self.force.engine, request)
        self.access.check(request, decision, self.force.engine)

    def log_event(self, event: dict[str, Any], key: str | None) -> tuple[int, bool]:
        """Record an event; its number, and whether it was there already under this key.

        Raises RefusedError 409 where the key was another event's, 503 where it cannot be recorded.
        """
        digest = hashlib.sha256(msgspec.json.encode(event, order="sorted")).hexdigest()
        told = {"timestamp": rfc3339(time.time_ns()), "key": key, "digest": digest}
        try:
            # In one turn: nobody else logs under this key between the look and the record.
            with self.lock, self.trail.turn():
                known = self._shelf.keys.get(key) if key else None
                if known is None:
                    return self.trail.append(EVENT, {**event, **told}), False
        except (AuditError, ValueError) as error:
            raise RefusedError(503, "audit", f"it cannot be recorded: {error}") from error
        if known[0] != digest:
            message = "another event was logged under this key"
            raise RefusedError(409, "conflict", message, field="event_id")
        return known[1], True

    def told(self, event: Event) -> None:
        """Record an event of the engine's own."""
        message = event.details.get("message")
        if message:
            log.warning("%s", message)
        for warning in event.details.get("warnings") or ():
            log.warning("%s", warning)
        if event.kind == AUDIT_FAILED:
            return
        try:
            self.record(event)
        except (AuditError, ValueError) as error:
            log.warning("an event cannot be recorded: %s", error)

    def record(self, event: Event) -> int:
        """Record an event; its number. Raises AuditError, ValueError where it cannot be."""
        with self.lock:
            return self.trail.append(EVENT, event_body(event))

    def _count(self, requests: Sequence[Request], decisions: Sequence[Decision]) -> None:
        known = self.force.engine.ruleset.actions
        for request, decision in zip(requests, decisions, strict=True):
            action = request.action if request.action in known else "unknown"
            of = action, decision.allowed
            self.counts[of] = self.counts.get(of, 0) + 1
            for rule in decision.refused_by:
                self.refusals[rule] = self.refusals.get(rule, 0) + 1
