"""Runs an agent as a process."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from fedsight.door.exposition import text
from fedsight.door.outbound import outbound_client
from fedsight.telemetry.agent.bridge import GrpcBridge
from fedsight.telemetry.agent.figures import Figures, families
from fedsight.telemetry.agent.options import AgentOptions
from fedsight.telemetry.agent.queue import Queue, QueueError
from fedsight.telemetry.agent.scraping import Scraper
from fedsight.telemetry.agent.sending import Sender
from fedsight.telemetry.figures_page import Served, Where, run_page

logger = logging.getLogger(__name__)

#: How long looks that are under way at the end may take.
LAST_LOOK_SECONDS = 1.0


def run(where: Where, options: AgentOptions, version: str) -> None:
    """Serve its own figures as `run_page` does, and scrape and send as long.

    Raises AnotherAgentError, QueueError, UsageError or PortInUseError with one sentence where it
    cannot begin.
    """
    with Running(options, version) as running:
        run_page(where, lambda: Served(running.page, running.beside, "the agent", "The agent"))


class Running:
    """An agent with its queue, which it gives up when it is left."""

    def __init__(self, options: AgentOptions, version: str) -> None:
        self._options = options
        options.endpoint.roots()  # a file that is wrong is told before anything begins
        self._queue = Queue(options.queue, options.queue_bytes)
        self._figures = Figures()
        self._scrapers = [
            Scraper(target, options, version, self._queue, self._figures)
            for target in options.targets
        ]

    def page(self) -> str:
        """Its own figures as Prometheus' text."""
        oldest = self._queue.oldest_time
        age = None if oldest is None else max(0.0, (time.time_ns() - oldest) / 1e9)
        return text(families(self._figures, self._queue.size, age))

    @asynccontextmanager
    async def beside(self) -> AsyncIterator[None]:
        """Scrape and send; at the end send what waits, for a few seconds at the most."""
        options = self._options
        bridge = GrpcBridge(options.endpoint)
        sender = Sender(self._queue, bridge, options, self._figures)
        async with outbound_client(timeout=options.scrape_timeout) as client:
            scraping = [asyncio.create_task(each.run(client)) for each in self._scrapers]
            sending = asyncio.create_task(sender.run())
            self._greet()
            try:
                yield
            finally:
                await self._end_looks(scraping)
                await self._end_sending(sender, sending)
                await bridge.close()

    def _greet(self) -> None:
        names = ", ".join(
            f"{each.name} every {each.interval:g} s" for each in self._options.targets
        )
        logger.info(
            "node %s: %s, sent to %s every %g s; %d points wait in %s",
            self._options.node,
            names,
            self._options.endpoint.url,
            self._options.batch,
            self._queue.size.points,
            self._options.queue,
        )

    async def _end_looks(self, scraping: list[asyncio.Task[None]]) -> None:
        """Those under way are written, unless a target takes too long."""
        for scraper in self._scrapers:
            scraper.stop()
        await asyncio.wait(scraping, timeout=LAST_LOOK_SECONDS)
        for task in scraping:
            task.cancel()
        await asyncio.gather(*scraping, return_exceptions=True)

    async def _end_sending(self, sender: Sender, sending: asyncio.Task[None]) -> None:
        sender.stop()
        with suppress(TimeoutError):
            async with asyncio.timeout(self._options.stop):
                await sending
        if self._queue.size.points:
            logger.info("%d points wait on disk for the next start", self._queue.size.points)

    def __enter__(self) -> Running:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(QueueError):  # a full disk, told before
            for scraper in self._scrapers:
                scraper.keep()
        self._queue.close()
