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
from fedsight.policy.audit import AuditError, SigningKey, Trail, TurnError
from fedsight.policy.audit.following import Told
from fedsight.policy.audit.turns import LOCK_SECONDS
from fedsight.policy.decision import Decision
from fedsight.policy.overseer import AUDIT_FAILED, EVENT, Overseer, event_body
from fedsight.policy.request import Party, Request
from fedsight.policy.service.access import Access
from fedsight.policy.service.desk import Desk, HeadsAtDesk
from fedsight.policy.service.kept import EventRow, Shelf
from fedsight.policy.service.options import PolicyOptions
from fedsight.policy.service.standing import Standings
from fedsight.policy.shared_trust import TRUST
from fedsight.policy.watching import InForce
from fedsight.signals import Event

log = logging.getLogger(__name__)

KEY, TRAIL = "keys/audit", "audit"
#: So long whoever only reads waits for what others recorded.
READ_SECONDS = 0.25
#: From so many seconds on it is said that somebody keeps the trail.
TELLING_SECONDS = 1.0
#: Upper ends of the buckets of the time that a decision takes, in seconds.
BOUNDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.25)


class Abreast:
    """What the trail told, held still for whoever reads it; `follow` is called before, so that what
    others recorded is there, too. Nothing is to be recorded by whoever has it."""

    def __init__(self, follow: Callable[[], None]) -> None:
        self.still = threading.Lock()
        self._follow = follow

    def __enter__(self) -> None:
        self._follow()
        self.still.acquire()

    def __exit__(self, *_: object) -> None:
        self.still.release()


@dataclass(frozen=True)
class Answered:
    """A decision and its number in the trail; None where it could not be recorded."""

    decision: Decision
    number: int | None


class Deciding:
    """The engine in force, the trail, the newest decisions and events.

    The trail is the data directory's, to which governed runs append, too: what they record is among
    the decisions and events here for whoever holds `lock`. The event loop waits for nobody's turn:
    what is to be recorded while another process keeps the trail waits at the `desk`. Raises
    PolicyError where the set is wrong and none was recorded, and AuditError where the trail cannot
    be opened.
    """

    def __init__(self, options: PolicyOptions) -> None:
        self.options = options
        self.access = Access()
        self.counts: dict[tuple[str, bool], int] = {}
        self.refusals: dict[str, int] = {}
        self.seconds = Histogram(BOUNDS)
        self.lock = Abreast(self._follow)
        self.desk = Desk(lambda: self.trail.fault is not None)
        self.standings = Standings(options.data / TRUST)
        self._kept_since: int | None = None
        key = SigningKey.open(options.data / KEY)
        #: What the trail is verified with: not what lies in a file by now.
        self.key = key.public
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
        self._heads = HeadsAtDesk(self.trail, self.desk, self.look)
        self.overseer = Overseer(
            lambda: self.force.engine,
            self.trail,
            self.told,
            unrecorded=frozenset(),
            heads=self._heads,
        )
        self._tell = self.told
        for event in waiting:
            self.told(event)

    @property
    def head(self) -> EventRow | None:
        """The newest signed head, as the event that tells of it."""
        return self._shelf.head

    @property
    def fault(self) -> str | None:
        """Why decisions cannot be recorded, or what they have to wait for."""
        if self.overseer.fault is not None:
            return self.overseer.fault
        broken, held = self.trail.fault, self.trail.held
        if broken is not None:
            return f"decisions cannot be recorded and are refused: {broken}"
        if held is None or held.seconds < TELLING_SECONDS:
            return None
        return f"decisions wait for the audit trail: {held}"

    def close(self) -> None:
        """Sign the trail's head and let go of it."""
        self.desk.close()
        self.standings.close()
        try:
            self.trail.close()
        except AuditError as error:
            log.warning("the head of the audit trail was not signed: %s", error)

    def look(self) -> None:
        """Take in what others recorded, and sign the head where it is time, whoever wrote. Who
        keeps the trail to themselves is said."""
        again = self._heads.fault is not None
        try:
            head = self.trail.sign(due=not again, seconds=READ_SECONDS)
        except TurnError as error:
            self._wait(error)
        except AuditError as error:
            self._heads.fault = error
            self.overseer.failed(error)
        else:
            # Where nothing was due no disk was seen: what another thread was told of it stands.
            if again or head is not None:
                self._heads.fault = None
            self.overseer.free()
            if self._kept_since is not None:
                log.warning("the audit trail can be written again")
            self._kept_since = None

    def _wait(self, error: TurnError) -> None:
        held = self.trail.held
        if held is None or held.seconds < TELLING_SECONDS:
            return
        if held.seconds >= LOCK_SECONDS:
            self.overseer.failed(error)
        elif held.since != self._kept_since:
            log.warning("decisions wait for the audit trail: %s", held)
        self._kept_since = held.since

    async def decide_all(self, requests: Sequence[Request]) -> list[Answered]:
        """Judge, record, and give back the answers in order."""
        begun = time.perf_counter()
        judged = self.overseer.judge(requests)
        decisions, last = await self.desk.done(
            lambda at_once: self.overseer.record(judged, at_once=at_once)
        )
        self._count(requests, decisions)
        self.seconds.observe(time.perf_counter() - begun)
        if last is None:
            return [Answered(one, None) for one in decisions]
        first = last - len(decisions) + 1
        return [Answered(one, number) for number, one in enumerate(decisions, first)]

    def _heard(self, told: Told) -> None:
        with self.lock.still:
            self._shelf.take(told)

    def _follow(self) -> None:
        try:
            self.trail.follow(READ_SECONDS)
        except TurnError:
            pass  # what is known is told; `look` says who keeps the trail
        except AuditError as error:
            self.overseer.failed(error)

    def permit(self, who: Party, action: str) -> None:
        """Raise RefusedError 403 where the operator may not."""
        request = self.access.asked(who, action)
        engine = self.force.engine
        self.access.check(request, self.access.judged(engine, request), engine)

    async def permit_change(self, who: Party, action: str) -> None:
        """The same for a change: the decision is recorded, where the set in force knows it."""
        if action not in self.force.engine.ruleset.actions:
            self.permit(who, action)
            return
        request = self.access.asked(who, action)
        decision = (await self.decide_all((request,)))[0].decision
        self.access.check(request, decision, self.force.engine)

    async def log_event(self, event: dict[str, Any], key: str | None) -> tuple[int, bool]:
        """Record an event; its number, and whether it was there already under this key.

        Raises RefusedError 409 where the key was another event's, 503 where it cannot be recorded.
        """
        digest = hashlib.sha256(msgspec.json.encode(event, order="sorted")).hexdigest()
        told = {"timestamp": rfc3339(time.time_ns()), "key": key, "digest": digest}

        def logged(at_once: bool) -> tuple[int, bool]:
            self._heads.check()
            # In one turn: nobody else logs under this key between the look and the record.
            with self.trail.turn(0.0 if at_once else None):
                known = self._shelf.keys.get(key) if key else None
                if known is None:
                    return self.trail.append(EVENT, {**event, **told}, at_once=at_once), False
                if known[0] != digest:
                    message = "another event was logged under this key"
                    raise RefusedError(409, "conflict", message, field="event_id")
                return known[1], True

        try:
            found = await self.desk.done(logged)
        except (AuditError, ValueError) as error:
            raise RefusedError(503, "audit", f"it cannot be recorded: {error}") from error
        self._heads.look()
        return found

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
        return self.trail.append(EVENT, event_body(event))

    def _count(self, requests: Sequence[Request], decisions: Sequence[Decision]) -> None:
        known = self.force.engine.ruleset.actions
        for request, decision in zip(requests, decisions, strict=True):
            action = request.action if request.action in known else "unknown"
            of = action, decision.allowed
            self.counts[of] = self.counts.get(of, 0) + 1
            for rule in decision.refused_by:
                self.refusals[rule] = self.refusals.get(rule, 0) + 1
