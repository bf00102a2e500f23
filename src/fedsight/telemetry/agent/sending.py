"""What waits on disk, sent in requests of many scrapes, each again until the bridge has it."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from contextlib import suppress

from fedsight.errors import told
from fedsight.telemetry.agent.backoff import pause
from fedsight.telemetry.agent.bridge import Bridge
from fedsight.telemetry.agent.figures import Figures
from fedsight.telemetry.agent.options import AgentOptions
from fedsight.telemetry.agent.queue import ROOM_SHARE, Queue, QueueError, Scrape
from fedsight.telemetry.agent.verdict import Later, Refused, Taken, Verdict

logger = logging.getLogger(__name__)

#: How often it is looked whether so much waits that it is a request before its time.
LOOK_SECONDS = 1.0
FIRST_LOOK_SECONDS = 0.05
TELL_SECONDS = 60.0


class Sender:
    """Sends a queue to a bridge: what waits at the start and the first scrape at once, so that a
    bridge that is not there is known; and then all that came in a batch."""

    def __init__(
        self, queue: Queue, bridge: Bridge, options: AgentOptions, figures: Figures
    ) -> None:
        self._queue = queue
        self._bridge = bridge
        self._options = options
        self._figures = figures
        # A full queue drops whole requests: none is more than what it makes free at once.
        self._most = min(options.request_bytes, options.queue_bytes // ROOM_SHARE)
        self._stopping = asyncio.Event()
        self._failures = 0
        self._told = -TELL_SECONDS
        self._due = time.monotonic()

    async def run(self) -> None:
        """Until `stop`; then once more, without waiting for a bridge that is away."""
        await self._first_scrape()
        while not self._stopping.is_set():
            await self._safely()
            await self._next_batch()
        await self._safely()

    def stop(self) -> None:
        """End `run` once what waits was tried a last time."""
        self._stopping.set()

    async def _first_scrape(self) -> None:
        """Or that target is away."""
        began = time.monotonic()
        while not self._queue.size.scrapes and time.monotonic() - began < self._options.batch:
            if self._stopping.is_set():
                return
            await self._wait(FIRST_LOOK_SECONDS)
        self._due = time.monotonic()

    async def _next_batch(self) -> None:
        """Batches keep to a grid, as looks do: from scrape to sending it stays the same time."""
        batch = self._options.batch
        while self._due <= time.monotonic():
            self._due += batch
        while not self._stopping.is_set():
            left = self._due - time.monotonic()
            if left <= 0 or self._queue.size.bytes >= self._most:
                return
            await self._wait(min(left, LOOK_SECONDS))

    async def _wait(self, seconds: float) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)

    async def _safely(self) -> None:
        """A disk that fails is told, and tried again with the next batch."""
        try:
            await self._drain()
        except QueueError as error:
            logger.error("%s", error)
            await self._wait(LOOK_SECONDS)
        except Exception as error:  # a fault of ours ends one batch, not all that come after it
            logger.error("sending met a fault of the agent's own: %s", told(error))
            await self._wait(LOOK_SECONDS)

    async def _drain(self) -> None:
        """All that waits now; what comes meanwhile is of the next batch.

        A request is the same bytes each time that it is tried, by the next process too: a bridge
        that took it, and whose answer was lost, knows it again. One that is refused for good goes
        on in halves, until the one scrape is found that the bridge does not take; that one is
        dropped and told."""
        ends = [await self._last()]
        while ends:
            scrapes = await asyncio.to_thread(self._queue.request, ends[-1], self._most)
            if not scrapes:
                ends.pop()
                continue
            verdict = await self._asked(scrapes)
            if isinstance(verdict, Later):
                wait = self._fail(verdict)
                if self._stopping.is_set():
                    return
                await self._wait(wait)
                ends[0] = await self._last()
            elif isinstance(verdict, Refused) and len(scrapes) > 1:
                ends += [scrapes[-1].seq, await asyncio.to_thread(self._queue.halve, scrapes)]
            else:
                await self._settle(scrapes, verdict)

    async def _last(self) -> int:
        return await asyncio.to_thread(lambda: self._queue.last)

    async def _settle(self, scrapes: list[Scrape], verdict: Taken | Refused) -> None:
        """These are not sent again."""
        await asyncio.to_thread(self._queue.done, scrapes)
        points = sum(scrape.points for scrape in scrapes)
        if isinstance(verdict, Refused):
            self._figures.refused += points
            logger.error(
                "the bridge refuses a scrape of %d points for good: %s: %s",
                points,
                verdict.code,
                verdict.message,
            )
        else:
            self._note_taken(verdict, points)
        self._succeed()

    async def _asked(self, scrapes: list[Scrape]) -> Verdict:
        body = b"".join(scrape.body for scrape in scrapes)
        timeout = self._options.send_timeout
        if self._stopping.is_set():
            timeout = min(timeout, self._options.stop)
        verdict = await self._bridge.export(body, timeout)
        if not isinstance(verdict, Taken):
            self._figures.send_failures[verdict.code] += 1
        return verdict

    def _note_taken(self, taken: Taken, points: int) -> None:
        self._figures.requests += 1
        self._figures.sent += points - taken.rejected
        self._figures.rejected += taken.rejected
        if taken.rejected or taken.message:
            logger.warning(
                "the bridge took a request, but not %d of its points: %s",
                taken.rejected,
                taken.message or "it does not say why",
            )

    def _fail(self, later: Later) -> float:
        """Note it, and say how long to wait."""
        self._failures += 1
        if self._failures == 1 or time.monotonic() - self._told >= TELL_SECONDS:
            self._told = time.monotonic()
            mend = "; nothing is lost, but somebody has to mend that" if later.unwelcome else ""
            logger.warning(
                "the bridge does not take what was scraped, %d points wait on disk: %s: %s%s",
                self._queue.size.points,
                later.code,
                later.message,
                mend,
            )
        options = self._options
        failures = self._failures if not later.unwelcome else 64
        wait = pause(options.pause_first, options.pause_most, failures, random.random())
        if later.delay is None:
            return wait
        # Not before, and not all at once at that moment.
        return later.delay + min(wait, 1.0 + later.delay / 4) * random.random()

    def _succeed(self) -> None:
        if self._failures:
            logger.info("the bridge takes what was scraped again")
        self._failures = 0
