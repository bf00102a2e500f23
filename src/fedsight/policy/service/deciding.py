"""The service's centre: it decides, records, and only then answers."""

from __future__ import annotations

import hashlib
import logging
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from fedsight.door.exposition import Histogram
from fedsight.door.refusal import RefusedError
from fedsight.door.times import rfc3339
from fedsight.policy.audit import Anchor, AuditError, SigningKey
from fedsight.policy.decision import Decision
from fedsight.policy.overseer import AUDIT_FAILED, DECISION, Overseer
from fedsight.policy.request import Party, Request
from fedsight.policy.service import kept
from fedsight.policy.service.access import Access
from fedsight.policy.service.kept import EVENT, SOURCE, DecisionRow, EventRow, Kept
from fedsight.policy.service.options import PolicyOptions
from fedsight.policy.service.recording import Clock, NumberedTrail
from fedsight.policy.service.standing import Standings
from fedsight.policy.watching import InForce
from fedsight.signals import Event

log = logging.getLogger(__name__)

KEY, TRAIL = "keys/audit", "audit"
#: Upper ends of the buckets of the time that a decision takes, in seconds.
BOUNDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.25)


@dataclass(frozen=True)
class Answered:
    """A decision and its number in the trail; None where it could not be recorded."""

    decision: Decision
    number: int | None


class Deciding:
    """The engine in force, the trail, the newest decisions and events.

    Holds the trail of the data directory, which one process at a time can write. Raises PolicyError
    where the set is wrong and none was recorded, and AuditError where the trail cannot be opened.
    """

    def __init__(self, options: PolicyOptions) -> None:
        self.options = options
        self.access = Access()
        self.decisions: Kept[DecisionRow] = Kept(options.kept)
        self.events: Kept[EventRow] = Kept(options.kept)
        self.counts: dict[tuple[str, bool], int] = {}
        self.refusals: dict[str, int] = {}
        self.seconds = Histogram(BOUNDS)
        self.lock = threading.RLock()
        self.standings = Standings(options.data / "trust.json")
        self._keys: dict[str, tuple[str, int]] = {}
        self._held: list[EventRow] | None = None
        self._clock = Clock()
        key = SigningKey.open(options.data / KEY)
        waiting: list[Event] = []
        self._tell = waiting.append
        self.force = InForce(
            options.rules, lambda event: self._tell(event), observe=options.observe
        )
        self.trail = NumberedTrail(
            options.data / TRAIL,
            key,
            self._anchored,
            head_records=options.head_records,
            now=self._clock,
        )
        kept.load(options.data / TRAIL, key, self.decisions, self.events, self._keys)
        self.overseer = Overseer(
            lambda: self.force.engine, self.trail, self.told, unrecorded=frozenset()
        )
        self._tell = self.told
        for event in waiting:
            self.told(event)

    def close(self) -> None:
        """Sign the trail's head and let go of it."""
        with self.lock:
            self.trail.close()

    def decide_all(self, requests: Sequence[Request]) -> list[Answered]:
        """Judge, record, and give back the answers in order."""
        begun = time.perf_counter()
        with self.lock:
            self.trail.begin()
            decisions = self.overseer.decide_all(requests)
            written = [one for one in self.trail.written if one[1] == DECISION]
            for number, _, body in written:
                self.decisions.add(number, kept.decision_row(number, body))
            self._count(requests, decisions)
            self.seconds.observe(time.perf_counter() - begun)
        numbers: list[int | None] = [number for number, _, _ in written]
        if len(numbers) != len(decisions):
            numbers = [None] * len(decisions)
        return [Answered(*pair) for pair in zip(decisions, numbers, strict=True)]

    def permit(self, who: Party, action: str, *, recorded: bool = False) -> None:
        """Raise RefusedError 403 where the operator may not; a change's decision is recorded."""
        request = self.access.asked(who, action)
        if recorded and action in self.force.engine.ruleset.actions:
            decision = self.decide_all((request,))[0].decision
        else:
            decision = self.access.judged(self.force.engine, request)
        self.access.check(request, decision)

    def log_event(self, event: dict[str, Any], key: str | None) -> tuple[int, bool]:
        """Record an event; its number, and whether it was there already under this key.

        Raises RefusedError 409 where the key was another event's, 503 where it cannot be recorded.
        """
        digest = hashlib.sha256(msgspec.json.encode(event, order="sorted")).hexdigest()
        with self.lock:
            known = self._keys.get(key) if key else None
            if known is not None:
                if known[0] != digest:
                    message = "another event was logged under this key"
                    raise RefusedError(409, "conflict", message, field="event_id")
                return known[1], True
            try:
                told = {"timestamp": rfc3339(time.time_ns()), "key": key, "digest": digest}
                number = self._record({**event, **told})
            except (AuditError, ValueError) as error:
                raise RefusedError(503, "audit", f"it cannot be recorded: {error}") from error
            if key:
                self._keys[key] = digest, number
                while len(self._keys) > self.options.kept:
                    del self._keys[next(iter(self._keys))]
            return number, False

    def told(self, event: Event) -> None:
        """Record an event of the engine's own."""
        message = event.details.get("message")
        if message:
            log.warning("%s", message)
        if event.kind == AUDIT_FAILED:
            return
        body = {
            "timestamp": rfc3339(event.time),
            "source": SOURCE,
            "event_type": event.kind,
            "details": event.details,
        }
        with self.lock:
            try:
                self._record(body)
            except (AuditError, ValueError) as error:
                log.warning("an event cannot be recorded: %s", error)

    def _record(self, body: dict[str, Any]) -> int:
        # A head that is signed in between has the next number: it is told of after this.
        self._held = held = list[EventRow]()
        self.trail.begin()
        try:
            self.trail.append(EVENT, body)
        finally:
            self._held = None
        number, _, plain = self.trail.written[0]
        for row in (kept.event_row(number, plain), *held):
            self.events.add(row.event_id, row)
        return number

    def _anchored(self, anchor: Anchor) -> None:
        row = kept.anchor_row(anchor, self._clock.last)
        if self._held is None:
            self.events.add(anchor.seq, row)
        else:
            self._held.append(row)

    def _count(self, requests: Sequence[Request], decisions: Sequence[Decision]) -> None:
        known = self.force.engine.ruleset.actions
        for request, decision in zip(requests, decisions, strict=True):
            action = request.action if request.action in known else "unknown"
            of = action, decision.allowed
            self.counts[of] = self.counts.get(of, 0) + 1
            for rule in decision.refused_by:
                self.refusals[rule] = self.refusals.get(rule, 0) + 1
