"""The live stream: what was committed, to all who watch, in order and with a cursor.

A cursor is made of an event's id, so that it outlives a restart: what an event means (a round or
a run has changed) has cursor `2 id`, the event itself `2 id + 1`.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Iterator
from functools import partial
from typing import Literal, NamedTuple

import msgspec
from msgspec import Struct

from fedsight.collector.reading import queries
from fedsight.collector.reading.rows import EventRow, RoundRow
from fedsight.collector.store.readers import Readers

logger = logging.getLogger(__name__)

Stream = Literal["fl_training", "network_performance", "policy_events", "system_events"]
STREAM_OF_SOURCE: dict[str, Stream] = {
    "federated": "fl_training",
    "network": "network_performance",
    "policy": "policy_events",
}
#: The state that a run has after an event that changes it.
STATE_AFTER = {
    "RUN_STARTED": "training",
    "RUN_CONTINUED": "training",
    "RUN_PAUSED": "paused",
    "RUN_RESUMED": "training",
}
#: Events read from the store at once, for live messages and for replay.
PAGE = 500


class RoundUpdate(Struct, frozen=True, tag_field="type", tag="fl_round_update"):
    """A round is over."""

    cursor: int
    run: str
    metrics: RoundRow


class RunUpdate(Struct, frozen=True, tag_field="type", tag="run_update"):
    """A run started, was paused, went on or ended."""

    cursor: int
    run: str
    state: str


class EventMessage(Struct, frozen=True, tag_field="type", tag="event"):
    """Something happened."""

    cursor: int
    event: EventRow


class Packet(NamedTuple):
    """One message, encoded once for all who watch."""

    cursor: int
    stream: Stream
    run: str | None
    text: str


def cursor_of(event_id: int) -> int:
    """The cursor behind everything that this event gave."""
    return 2 * event_id + 1


def event_before(cursor: int) -> int:
    """The last event of which nothing is left to send after `cursor`."""
    return (cursor + 1) // 2 - 1


def packets_after(
    store: sqlite3.Connection, event_id: int, run: str | None = None
) -> tuple[list[Packet], int]:
    """What at most PAGE events after `event_id` mean, and the last of their ids.

    Of one run, or of all where `run` is None.
    """
    page = queries.events(store, run, queries.EventFilter(after=event_id, limit=PAGE))
    return [packet for event in page.events for packet in _packets(store, event)], page.last_id


def _packets(store: sqlite3.Connection, event: EventRow) -> Iterator[Packet]:
    stream = STREAM_OF_SOURCE.get(event.source, "system_events")
    change = _change(store, event)
    if change is not None:
        yield Packet(change.cursor, "fl_training", event.run, _text(change))
    cursor = cursor_of(event.id)
    yield Packet(cursor, stream, event.run, _text(EventMessage(cursor, event)))


def _change(store: sqlite3.Connection, event: EventRow) -> RoundUpdate | RunUpdate | None:
    cursor = 2 * event.id
    if event.run is None:
        return None
    if event.kind in STATE_AFTER:
        return RunUpdate(cursor, event.run, STATE_AFTER[event.kind])
    if event.kind == "RUN_ENDED":
        return RunUpdate(cursor, event.run, str(event.details.get("state")))
    if event.kind in ("ROUND_COMPLETED", "ROUND_FAILED") and event.round is not None:
        found = queries.rounds(store, event.run, from_round=event.round, to_round=event.round)
        return RoundUpdate(cursor, event.run, found.rounds[0]) if found.rounds else None
    return None


def _text(message: Struct) -> str:
    return msgspec.json.encode(message).decode()


class Watcher(Struct, eq=False):
    """One connection: what it wants, and a bounded queue of what is on its way."""

    queue: asyncio.Queue[Packet | str | Replay]
    lagging: asyncio.Event
    streams: set[Stream]
    run: str | None = None

    def wants(self, packet: Packet) -> bool:
        """Whether the packet belongs to its subscription."""
        return packet.stream in self.streams and self.run in (None, packet.run)

    def offer(self, item: Packet | str | Replay) -> bool:
        """Queue an item; a full queue makes the watcher lag, for good."""
        try:
            self.queue.put_nowait(item)
        except asyncio.QueueFull:
            self.lagging.set()
        return not self.lagging.is_set()


class Replay(NamedTuple):
    """Send what lies between two cursors, the first left out, before what follows."""

    after: int
    upto: int
    streams: frozenset[Stream]
    run: str | None


def watcher(capacity: int) -> Watcher:
    """A watcher that wants nothing yet."""
    return Watcher(asyncio.Queue(capacity), asyncio.Event(), set())


class Hub:
    """Passes on what is committed. `wake` may be called often; it costs a flag."""

    def __init__(self, readers: Readers) -> None:
        self._readers = readers
        self._woken = asyncio.Event()
        self._event_id = readers.ask_now(queries.last_event_id)
        self.watchers: set[Watcher] = set()
        #: Why passing on failed last; None while all is well.
        self.error: str | None = None

    @property
    def cursor(self) -> int:
        """The cursor of the newest message that was passed on."""
        return cursor_of(self._event_id)

    def wake(self) -> None:
        """Say that there was a commit; from the event loop only."""
        self._woken.set()

    async def run(self) -> None:
        """Pass on until cancelled."""
        while True:
            await self._woken.wait()
            self._woken.clear()
            try:
                await self._pass_on()
                self.error = None
            except Exception as error:  # the stream must outlive one failed read
                logger.exception("the live stream cannot read the store")
                self.error = str(error)
                await asyncio.sleep(1.0)
                self._woken.set()

    async def _pass_on(self) -> None:
        if not self.watchers:
            newest = await self._readers.ask(queries.last_event_id)
            if not self.watchers:  # else one joined meanwhile, and may miss nothing
                self._event_id = newest
                return
        while True:
            after = self._event_id
            packets, last = await self._readers.ask(partial(packets_after, event_id=after))
            self._event_id = last
            for packet in packets:
                self._publish(packet)
            if last == after:
                return

    def _publish(self, packet: Packet) -> None:
        for each in [w for w in self.watchers if w.wants(packet)]:
            if not each.offer(packet):
                self.watchers.discard(each)
