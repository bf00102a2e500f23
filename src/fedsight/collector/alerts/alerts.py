"""The collector's alerts: takes findings in, keeps what they mean, and says when there is news."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TypeVar

from fedsight.collector.alerts import table
from fedsight.collector.alerts.alert import Alert, AlertRecord
from fedsight.collector.alerts.book import Book
from fedsight.collector.alerts.finding import Finding
from fedsight.collector.alerts.options import AlertOptions
from fedsight.collector.alerts.silences import (
    AlertSilence,
    NewSilence,
    SilenceRecord,
    add_silence,
    checked,
    end_silence,
    silencing,
    standing,
)
from fedsight.collector.ingest import Ingest
from fedsight.collector.store.readers import Readers
from fedsight.door.times import now_ns
from fedsight.errors import StoreError

logger = logging.getLogger(__name__)
Changed = TypeVar("Changed")

#: Findings that wait to be taken in at most; the oldest are dropped, and counted.
MOST_WAITING = 10_000
#: How often time itself is looked at: silences that end, runs that are over.
TICK_SECONDS = 5.0
PAUSE_AFTER_ERROR = 1.0
#: What the last findings may take at the end.
FINISH_SECONDS = 3.0


class Alerts:
    """Takes findings from any thread; `run` writes them, in order, all that wait in one commit.

    Make it in the event loop. A finding that was not written yet is lost with a process that is
    killed; the next look at the same thing tells it again.
    """

    def __init__(self, ingest: Ingest, readers: Readers, options: AlertOptions) -> None:
        self.options = options
        self._ingest = ingest
        self._readers = readers
        self._loop = asyncio.get_running_loop()
        self._woken = asyncio.Event()
        self._lock = threading.Lock()
        #: One change at a time, so that `_known` follows them in their order.
        self._changing = asyncio.Lock()
        self._waiting: deque[Finding] = deque()
        self._since = now_ns()
        active = readers.ask_now(table.active)
        #: Keys of alerts that are active, or about to be.
        self._known = {record.key for record in active}
        #: Called in the event loop after a change that somebody has to be told of.
        self.on_news: list[Callable[[], None]] = []
        #: Why alerts could not be written last; None while all is well.
        self.error: str | None = None
        self.dropped = 0
        self.fired = 0
        self.resolved = 0
        self.refused = 0

    def report(self, findings: Sequence[Finding]) -> None:
        """Hand findings over, in order; returns at once, from any thread.

        That something is right of which nothing was wrong costs nothing.
        """
        with self._lock:
            mattering = [finding for finding in findings if self._matters(finding)]
            self._waiting.extend(mattering)
            while len(self._waiting) > MOST_WAITING:
                self._waiting.popleft()
                self.dropped += 1
        if mattering:
            with suppress(RuntimeError):  # the loop has ended, and so has the collector
                self._loop.call_soon_threadsafe(self._woken.set)

    def _matters(self, finding: Finding) -> bool:
        if finding.active:
            self._known.add(finding.key)
        return finding.key in self._known

    async def run(self) -> None:
        """Write what is found, and look after what time brings, until cancelled."""
        looked = 0.0
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(TICK_SECONDS):
                    await self._woken.wait()
            self._woken.clear()
            try:
                await self._take_waiting()
                if self._loop.time() - looked >= TICK_SECONDS:
                    await self.look_after()
                    looked = self._loop.time()
                self.error = None
            except Exception as error:  # this loop must outlive a full disk
                logger.warning("alerts cannot be written: %s", error)
                self.error = str(error)
                await asyncio.sleep(PAUSE_AFTER_ERROR)
                self._woken.set()

    async def finish(self) -> None:
        """Write what still waits, after `run` has ended."""
        try:
            async with asyncio.timeout(FINISH_SECONDS):
                await self._take_waiting()
        except (StoreError, TimeoutError) as error:
            logger.warning("alerts cannot be written at the end: %s", error)

    async def _take_waiting(self) -> None:
        with self._lock:
            findings, self._waiting = self._waiting, deque()
        if not findings:
            return
        try:
            await self._in_the_book(lambda book: book.take(findings))
        except Exception:  # not where it is cancelled: what is handed over is written all the same
            with self._lock:
                self._waiting.extendleft(reversed(findings))
            raise

    async def look_after(self) -> None:
        """Resolve what is stale or over, tell what is no more silenced, forget what is old."""
        due = await self._readers.ask(
            lambda db: Book(db, self.options, now_ns()).needs_looking_after(self._since)
        )
        if due:
            await self._in_the_book(lambda book: book.look_after(self._since))

    async def _in_the_book(self, work: Callable[[Book], Changed]) -> Changed:
        """Do some work in one commit, count what came of it, and pass the news on."""
        async with self._changing:
            return await self._changed(work)

    async def _changed(self, work: Callable[[Book], Changed]) -> Changed:
        books: list[Book] = []

        def change(db: object) -> Changed:
            book = Book(db, self.options, now_ns())  # type: ignore[arg-type]
            books.append(book)
            return work(book)

        done = await asyncio.wrap_future(self._ingest.change(change))
        book = books[-1]
        self.fired += book.fired
        self.resolved += book.resolved
        self.refused += book.refused
        with self._lock:
            again = {finding.key for finding in self._waiting if finding.active}
            self._known -= book.closed - again
        if book.queued or book.resolved:
            for tell in self.on_news:
                tell()
        return done

    async def acknowledge(self, number: int, by: str, comment: str) -> Alert:
        """Note who has seen an alert; RefusedError 404 where there is none."""
        record = await self._in_the_book(lambda book: book.acknowledge(number, by, comment))
        return await self.told(record)

    async def silence(self, wanted: NewSilence) -> AlertSilence:
        """Hold back what matches; BadFieldError for what is out of range, 409 for too many."""
        now = now_ns()
        record = await asyncio.to_thread(checked, wanted, now)
        kept = await asyncio.wrap_future(
            self._ingest.change(lambda db: add_silence(db, record, now))
        )
        return kept.told()

    async def unsilence(self, number: int) -> AlertSilence:
        """End a silence; what it held back is told now. RefusedError 404 where there is none."""
        ended: SilenceRecord = await asyncio.wrap_future(
            self._ingest.change(lambda db: end_silence(db, number, now_ns()))
        )
        await self.look_after()
        return ended.told()

    async def told(self, record: AlertRecord) -> Alert:
        """An alert as it is told, with the silence that holds it back now."""
        now = now_ns()
        silence = await self._readers.ask(lambda db: silencing(standing(db, now), record, now))
        return record.told(silence)
