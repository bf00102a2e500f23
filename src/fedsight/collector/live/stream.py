"""The live stream: what was committed, to all who watch, in order and with a cursor."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from fedsight.collector.live.messages import Packet, cursor_of, event_before, packets_after
from fedsight.collector.live.watcher import Watcher
from fedsight.collector.reading import queries
from fedsight.collector.store.readers import Readers

logger = logging.getLogger(__name__)

#: Messages sent before the event loop may do something else: some milliseconds of work.
AT_ONCE = 500


@dataclass
class StreamCounts:
    """What the stream did since it began: messages published, sent or queued for a watcher, and
    watchers dropped for being slow."""

    published: int = 0
    passed_on: int = 0
    dropped: int = 0


class Hub:
    """Passes on what is committed. `wake` may be called often; it costs a flag."""

    def __init__(self, readers: Readers) -> None:
        self._readers = readers
        self._woken = asyncio.Event()
        self._event_id = readers.ask_now(queries.last_event_id)
        self._cursor = cursor_of(self._event_id)
        self.watchers: set[Watcher] = set()
        self.counts = StreamCounts()
        #: Is told each time which event is the newest that was seen.
        self.announce: Callable[[int], None] = lambda event_id: None
        #: Why passing on failed last; None while all is well.
        self.error: str | None = None

    @property
    def cursor(self) -> int:
        """The cursor of the newest message that was passed on."""
        return self._cursor

    @property
    def waiting(self) -> int:
        """Messages that wait for slow watchers."""
        return sum(each.waiting for each in self.watchers)

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
            self._tell(newest)
            if not self.watchers:  # else one joined meanwhile, and may miss nothing
                self._reached(newest)
                return
        while True:
            after = self._event_id
            packets, last = await self._readers.ask(partial(packets_after, event_id=after))
            self._tell(last)
            await self._publish(packets)
            self._reached(last)
            if last == after:
                return

    def _tell(self, event_id: int) -> None:
        if event_id != self._event_id:
            self.announce(event_id)

    def _reached(self, event_id: int) -> None:
        self._event_id, self._cursor = event_id, cursor_of(event_id)

    async def _publish(self, packets: list[Packet]) -> None:
        """Between two messages the event loop may turn; whoever joins then is told of the cursor
        that was reached, and replays up to there."""
        sent = 0
        for packet in packets:
            sent += self._to_all(packet)
            if packet.cursor != cursor_of(event_before(packet.cursor)):
                continue  # the event's own message is still to come
            self._cursor = packet.cursor
            if sent >= AT_ONCE:
                sent = 0
                await asyncio.sleep(0)

    def _to_all(self, packet: Packet) -> int:
        wanting = [each for each in self.watchers if each.wants(packet)]
        for each in wanting:
            if not each.offer(packet):
                self.watchers.discard(each)
                self.counts.dropped += each.lagging.is_set()
        self.counts.published += 1
        self.counts.passed_on += len(wanting)
        return len(wanting)
