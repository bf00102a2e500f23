"""The FL monitor: an FL server's status, rounds and events.

What our own FL server's runs give arrives by their journals: of those the state alone is taken, so
that nothing is counted twice. A foreign server's rounds become samples, its events events.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import msgspec
from msgspec import Struct

from fedsight.collector.monitors import fl_answers as answers
from fedsight.collector.monitors import foreign
from fedsight.collector.monitors.asking import Asking, Place
from fedsight.collector.monitors.contract import ForeignAnswerError, Found
from fedsight.collector.monitors.numbered import EVENTS, LogCursor, LogPart, Row, read_log
from fedsight.collector.monitors.round_trip import trip_samples
from fedsight.collector.reading.convergence import RECENT, convergence_slope
from fedsight.collector.store.prepare import RUN_KINDS
from fedsight.door.times import now_ns
from fedsight.signals import Event, Sample, Span, batch

OUR_NAME = "fedsight-federation"
ROUNDS_PAGE = 500
NO_ROUND = -1

#: Whether a run of this id has come by a journal.
Known = Callable[[str], Awaitable[bool]]


class FlCursor(Struct, frozen=True):
    """How far the server was read: its events, and the rounds of which run."""

    events: LogCursor = LogCursor()
    run: str | None = None
    round: int = NO_ROUND


@dataclass
class Look:
    """One look at the server: what was read already, and what it gave so far."""

    state: answers.FlServerState
    cursor: FlCursor
    received: int
    samples: list[Sample] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    spans: list[Span] = field(default_factory=list)


class FlServerMonitor:
    """Watches the FL server at an address. `store_id` is our data directory's: a server that shows
    the same ships its runs here itself."""

    name = "fl_server"

    def __init__(self, asking: Asking, address: str, store_id: str, known: Known) -> None:
        self._place = Place(asking, "FL server", address)
        self._store_id = store_id
        self._known = known
        self._ours: bool | None = None
        self._asked: dict[str, bool] = {}

    @property
    def address(self) -> str:
        """Where the server's API is."""
        return self._place.address

    async def collect(self, cursor: bytes | None) -> Found:
        """As `Monitor.collect`."""
        before = FlCursor() if cursor is None else msgspec.json.decode(cursor, type=FlCursor)
        try:
            return await self._look(before)
        except Exception:
            self._ours = None  # who comes back may be another
            raise

    async def _look(self, before: FlCursor) -> Found:
        trip = await self._place.reach()
        state = answers.server_state(await self._place.json("/status"))
        if state is None:
            raise ForeignAnswerError(f"{self.address}/status tells no status: is it an FL server?")
        if self._ours is None:
            self._ours = await self._is_ours()
        look = Look(state, before, now_ns())
        events = await read_log(self._place, EVENTS, before.events)
        if events is not None:
            look.cursor = msgspec.structs.replace(look.cursor, events=events.cursor)
        self._asked.clear()
        await self._rounds(look, anew=events is not None and events.anew)
        if events is not None:
            if any(row.get("event_type") in answers.OF_RUNS for row in events.rows):
                look.cursor = self._named(look.cursor, look.received)
            await self._events(look, events)
        look.samples += trip_samples(self.name, trip, look.received)
        gathered = batch(look.samples, look.events, look.spans)
        moved = None if look.cursor == before else msgspec.json.encode(look.cursor)
        return Found(gathered, look.state, moved)

    async def _is_ours(self) -> bool:
        about = await self._place.json_or_none("/")
        if foreign.field(about, "name") != OUR_NAME:
            return False
        return bool(foreign.field(await self._place.json("/health"), "store_id") == self._store_id)

    async def _rounds(self, look: Look, *, anew: bool) -> None:
        """Rounds since the last that was read; with some from before, for the slope."""
        cursor = look.cursor
        run = look.state.run
        if anew or (run is not None and run != cursor.run):
            cursor = msgspec.structs.replace(cursor, run=run, round=NO_ROUND)
        answer = await self._rounds_from(cursor.round)
        latest = answers.latest_round(answer)
        if run is None and latest is not None and latest < cursor.round:
            cursor = msgspec.structs.replace(cursor, run=None, round=NO_ROUND)
            answer = await self._rounds_from(NO_ROUND)
        rounds = answers.finished_rounds(foreign.rows(answer, "rounds") or [])
        slope = convergence_slope(answers.accuracies(rounds))
        look.state = msgspec.structs.replace(look.state, convergence_slope=slope)
        look.cursor = self._named(cursor, look.received) if rounds else cursor
        new = [(number, row) for number, row in rounds if number > cursor.round]
        if new:
            await self._take(look, new, slope)

    async def _rounds_from(self, last: int) -> Any:
        query = {"start_round": str(max(0, last + 1 - RECENT)), "limit": str(ROUNDS_PAGE)}
        return await self._place.json_or_none("/rounds", query)

    def _named(self, cursor: FlCursor, now: int) -> FlCursor:
        """A run that the server does not name is called by where and when it was first seen."""
        if cursor.run is not None:
            return cursor
        when = datetime.fromtimestamp(now / 1e9, UTC).strftime("%Y%m%dT%H%M%S%f")[:-3]
        return msgspec.structs.replace(
            cursor, run=f"fl-{self._place.host}-{self._place.port}-{when}"
        )

    async def _take(self, look: Look, new: list[tuple[int, Row]], slope: float | None) -> None:
        run = look.cursor.run
        assert run is not None
        look.cursor = msgspec.structs.replace(look.cursor, round=new[-1][0])
        if self._ours or await self._by_journal(run):
            return
        look.samples += answers.round_samples(new, run, look.received)
        if slope is not None:
            number = new[-1][0]
            look.samples.append(
                Sample(look.received, "fl_convergence_slope", slope, number, {"run": run})
            )

    async def _events(self, look: Look, part: LogPart) -> None:
        for row in part.rows:
            event = answers.event_of(row, look.cursor.run, look.received)
            if event is None or not await self._wanted(event):
                continue
            look.events.append(event)
            span = answers.span_of(row, look.cursor.run, look.received)
            if span is not None:
                look.spans.append(span)

    async def _wanted(self, event: Event) -> bool:
        """Whether an event does not come by a journal too."""
        if event.run is None:
            return not (self._ours and event.kind in RUN_KINDS)
        return not self._ours and not await self._by_journal(event.run)

    async def _by_journal(self, run: str) -> bool:
        """`known`, asked once a look."""
        if run not in self._asked:
            self._asked[run] = await self._known(run)
        return self._asked[run]
