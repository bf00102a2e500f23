"""The policy monitor: a policy engine's policies, events, decisions and metrics."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping

import msgspec
from msgspec import Struct

from fedsight.collector.monitors import policy_answers as answers
from fedsight.collector.monitors.asking import Asking, NoRouteError, Place
from fedsight.collector.monitors.contract import ForeignAnswerError, Found
from fedsight.collector.monitors.exposition import Bounds, scrape
from fedsight.collector.monitors.numbered import DECISIONS, EVENTS, Log, LogCursor, Row, read_log
from fedsight.collector.monitors.round_trip import trip_samples
from fedsight.door.times import now_ns
from fedsight.signals import Event, Sample, batch

METRIC_LABELS: Mapping[str, str] = {"service": "policy_engine"}
#: Times of events that are kept to count them by the minute.
MOST_TIMES = 100_000


class PolicyCursor(Struct, frozen=True):
    """How far the engine was read."""

    events: LogCursor = LogCursor()
    decisions: LogCursor = LogCursor()


class PolicyEngineMonitor:
    """Watches the policy engine at an address. Routes that it lacks are not missed, but for
    `/api/v1/policies`, by which it is known."""

    name = "policy_engine"

    def __init__(self, asking: Asking, address: str) -> None:
        self._place = Place(asking, "policy engine", address)
        self._watched_since: int | None = None
        self._times: deque[int] = deque(maxlen=MOST_TIMES)

    @property
    def address(self) -> str:
        """Where the engine's API is."""
        return self._place.address

    async def collect(self, cursor: bytes | None) -> Found:
        """As `Monitor.collect`."""
        before = (
            PolicyCursor() if cursor is None else msgspec.json.decode(cursor, type=PolicyCursor)
        )
        trip = await self._place.reach()
        policies = await self._place.json("/api/v1/policies")
        if not isinstance(policies, dict):
            raise ForeignAnswerError(f"{self.address}/api/v1/policies answered no object")
        now = now_ns()
        happened, events = await self._read(EVENTS, before.events, answers.event_of, now)
        decided, decisions = await self._read(DECISIONS, before.decisions, answers.decision_of, now)
        samples = [*trip_samples(self.name, trip, now), *await self._metrics(now)]
        self._count(happened, now)
        rate = answers.per_minute(self._times, self._watched_since or now, now)
        state = answers.PolicyEngineState("active", answers.active_policies(policies), rate)
        after = PolicyCursor(events, decisions)
        moved = None if after == before else msgspec.json.encode(after)
        return Found(batch(samples, [*happened, *decided]), state, moved)

    async def _read(
        self, log: Log, cursor: LogCursor, of: Callable[[Row, int], Event | None], now: int
    ) -> tuple[list[Event], LogCursor]:
        part = await read_log(self._place, log, cursor)
        if part is None:
            return [], cursor
        found = (of(row, now) for row in part.rows)
        return [event for event in found if event is not None], part.cursor

    async def _metrics(self, now: int) -> list[Sample]:
        try:
            return await scrape(self._place, "/metrics", METRIC_LABELS, Bounds(), now)
        except NoRouteError:
            return []

    def _count(self, happened: list[Event], now: int) -> None:
        """Remember when events were, as far as they lie within the time watched."""
        if self._watched_since is None:
            self._watched_since = now
        self._times.extend(event.time for event in happened)
