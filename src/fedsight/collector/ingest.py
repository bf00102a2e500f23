"""Takes shipments in: one thread writes, and all that wait share one commit."""

from __future__ import annotations

import asyncio
import logging
import queue
import sqlite3
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from fedsight.collector.store.hotlog import HotLog, Prepared
from fedsight.collector.store.prepare import Record, own
from fedsight.collector.store.samples import HotSampleWriter
from fedsight.collector.store.storefile import note_damage
from fedsight.collector.taking.answers import Answer, Awaited, Refusal, Threaded, tell_all
from fedsight.collector.taking.arrivals import Arrivals, Taken, Tally
from fedsight.collector.taking.cardinality import Cardinality
from fedsight.collector.taking.series_ids import SeriesIds
from fedsight.door.refusal import BadFieldError, RefusedError
from fedsight.door.times import now_ns
from fedsight.errors import StoreError
from fedsight.journal import GapError
from fedsight.signals import Batch

logger = logging.getLogger(__name__)
Changed = TypeVar("Changed")

#: Shipments that share one commit at most.
GROUP = 128
#: Samples that came in several requests and share one row at most.
TOGETHER = 50_000
#: By default: series in all, and new ones a minute.
MOST_SERIES = 1_000_000
NEW_SERIES = 100_000

#: SQLite's primary result codes for a disk that takes no more, for whatever cause.
DISK_CODES = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY})


class DiskFullError(StoreError):
    """The store's disk takes no more; nothing of the shipment was kept."""


#: A change of the collector's own tables, made in a transaction that others may share.
Change = Callable[[sqlite3.Connection], Any]
#: Is given the records of every commit, in the writing thread: must be quick and raise nothing.
Tap = Callable[[Sequence[Record]], None]


@dataclass(frozen=True, slots=True)
class _Direct:
    """Samples that came from no journal; the answer tells what became of them."""

    record: Record


@dataclass(frozen=True, slots=True)
class _Kept:
    """Signals of the collector's own, and a change that belongs with them."""

    record: Record
    change: Change


@dataclass(frozen=True, slots=True)
class _Alone:
    """What SQLite does in no transaction, such as shrinking its file."""

    work: Change


Work = Prepared | Record | Change | _Direct | _Kept | _Alone


@dataclass(frozen=True, slots=True)
class _Waiting:
    """One piece of work whose answer leaves after the commit."""

    work: Work
    answer: Answer


class Ingest:
    """The writing thread over the store's one writing connection.

    `on_commit` is called from that thread after every commit that may have brought more than
    samples of no journal, which nobody is told of. Closing finishes what waits. Safe for use by any
    thread.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        file: Path,
        on_commit: Callable[[], object],
        cardinality: Cardinality | None = None,
    ) -> None:
        self._db = connection
        self._file = file
        #: For whoever deletes series, in `change`: `forget` them here.
        self.series_ids = SeriesIds(connection, cardinality or Cardinality(MOST_SERIES, NEW_SERIES))
        self._log = HotLog(connection, HotSampleWriter(connection, self.series_ids))
        self._direct: list[Record] = []
        self._arrivals = Arrivals(self.series_ids)
        #: What came since the start.
        self.tally = Tally()
        self._on_commit = on_commit
        self._queue: queue.SimpleQueue[Sequence[_Waiting] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._loop, name="ingest", daemon=True)
        #: Those that are given what every commit brought.
        self.taps: list[Tap] = []
        #: Why the last commit failed; None while all is well.
        self.error: str | None = None
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Pieces of work that wait for the writing thread; what came together counts as one."""
        return self._queue.qsize()

    @property
    def alive(self) -> bool:
        """Whether the thread still takes shipments."""
        return self._thread.is_alive()

    def submit(self, work: Prepared) -> Future[int]:
        """Queue a shipment; the result is the seq expected next.

        The future raises GapError, BadFieldError, DiskFullError or StoreError: nothing was kept.
        Raises StoreError at once where nobody writes any more.
        """
        return self._queued(work)

    def take(self, record: Record) -> Future[Taken]:
        """Queue samples that come from no journal; fails as `submit` does, or with RefusedError."""
        return self._queued(_Direct(record))

    async def submitted(self, work: Prepared) -> int:
        """As `submit`, for a coroutine: those of one commit wake their event loop once."""
        return int(await self._awaited(work))

    async def taken(self, record: Record) -> Taken:
        """As `take`, for a coroutine."""
        answer: Taken = await self._awaited(_Direct(record))
        return answer

    def take_all(self, records: Sequence[Record], answers: Sequence[asyncio.Future[Taken]]) -> None:
        """As `taken`, of several at once: each has a future of the running loop."""
        loop = asyncio.get_running_loop()
        self._put(
            *(
                _Waiting(_Direct(record), Awaited(loop, answer))
                for record, answer in zip(records, answers, strict=True)
            )
        )

    def keep(self, batch: Batch, change: Change | None = None) -> Future[None]:
        """Queue signals of the collector's own, such as a monitor's; fails as `submit` does.

        `change`, such as that of a monitor's cursor, is on disk if and only if the signals are.
        Raises BadFieldError at once for a value that is out of range.
        """
        record = own(batch)
        return self._queued(record if change is None else _Kept(record, change))

    def change(self, work: Callable[[sqlite3.Connection], Changed]) -> Future[Changed]:
        """Queue a change of the collector's own tables; the result is what `work` returns.

        `work` runs in the writing thread within a transaction that is shared: it neither commits
        nor rolls back. Where it raises RefusedError or BadFieldError that alone is undone and the
        future raises it; all else fails as in `submit`.
        """
        return self._queued(work)

    def alone(self, work: Callable[[sqlite3.Connection], Changed]) -> Future[Changed]:
        """Queue what must be done between two transactions; the result is what `work` returns.

        It must be brief. Fails with DiskFullError or StoreError.
        """
        return self._queued(_Alone(work))

    def _queued(self, work: Work) -> Future[Any]:
        answer: Future[Any] = Future()
        self._put(_Waiting(work, Threaded(answer)))
        return answer

    def _awaited(self, work: Work) -> asyncio.Future[Any]:
        loop = asyncio.get_running_loop()
        answer = loop.create_future()
        self._put(_Waiting(work, Awaited(loop, answer)))
        return answer

    def _put(self, *waiting: _Waiting) -> None:
        if not self.alive:
            raise StoreError(f"nothing is written to {self._file} any more")
        self._queue.put(waiting)

    def refuse_samples(self, reason: str | None) -> None:
        """Take no records with samples in from now on, and say why; with None, take them again."""
        self._log.samples_refused = reason

    def close(self) -> None:
        """Finish what waits, then close the connection."""
        self._queue.put(None)
        self._thread.join()
        self._db.close()

    def _loop(self) -> None:
        going = True
        while going:
            going, group = self._next_group()
            alone = [waiting for waiting in group if isinstance(waiting.work, _Alone)]
            if alone:
                group = [waiting for waiting in group if waiting not in alone]
            if group:
                self._commit(group)
            for waiting in alone:
                self._do_alone(waiting)

    def _next_group(self) -> tuple[bool, list[_Waiting]]:
        """Wait for one shipment and take along what else is there; False at the end."""
        group: list[_Waiting] = []
        try:
            item = self._queue.get()
            while item is not None:
                group += item
                if len(group) >= GROUP:
                    return True, group
                item = self._queue.get_nowait()
        except queue.Empty:
            return True, group
        return False, group

    def _commit(self, group: Sequence[_Waiting]) -> None:
        try:
            self._db.execute("BEGIN IMMEDIATE")
            answers = [self._apply(waiting) for waiting in group]
            self._write_direct()
            self._db.execute("COMMIT")
        except Exception as error:  # this thread must outlive whatever one write meets
            self._undo(group, error)
            return
        self.error = None
        written, self._log.written = self._log.written, []
        taken = self._counted(written)
        tell_all(
            (waiting.answer, taken[id(answer)] if isinstance(answer, Record) else answer)
            for waiting, answer in zip(group, answers, strict=True)
        )
        if written:
            self._tapped(written)
        if not all(isinstance(waiting.work, _Direct) for waiting in group):
            self._on_commit()

    def _tapped(self, written: Sequence[Record]) -> None:
        for tap in self.taps:
            try:
                tap(written)
            except Exception:  # it is on disk; a fault of who looks on must not end the writing
                logger.exception("what was committed cannot be looked at")

    def _do_alone(self, waiting: _Waiting) -> None:
        assert isinstance(waiting.work, _Alone)
        try:
            outcome = waiting.work.work(self._db)
        except Exception as error:  # this thread must outlive whatever one piece of work meets
            note_damage(self._file, error)
            outcome = Refusal(_explained(error, self._file))
        waiting.answer.tell(outcome)

    def _counted(self, written: Sequence[Record]) -> dict[int, Taken]:
        """What became of each record's samples."""
        now = now_ns()
        taken = {id(record): self._arrivals.noted(record, now) for record in written}
        for each in taken.values():
            self.tally.add(each)
        return taken

    def _apply(self, waiting: _Waiting) -> Any:
        """Do one piece of work, or leave no trace of it and return why."""
        already = len(self._log.written)
        if isinstance(waiting.work, _Direct):
            return self._take(waiting.work.record)
        self._db.execute("SAVEPOINT shipment")
        try:
            answer = self._write(waiting.work)
        except (GapError, BadFieldError, RefusedError) as refused:
            self._db.execute("ROLLBACK TO shipment")
            self._log.forget_cached()
            del self._log.written[already:]
            answer = Refusal(refused)
        self._db.execute("RELEASE shipment")
        return answer

    def _take(self, record: Record) -> Any:
        """Samples alone are refused before anything of them is written, or written at the end of
        the group, all together."""
        try:
            self._log.admit(record)
            for block in record.samples:
                self.series_ids.of(block.series)
        except RefusedError as refused:
            return Refusal(refused)
        self._direct.append(record)
        return record

    def _write_direct(self) -> None:
        together, self._direct = self._direct, []
        while together:
            part = _at_most(together, TOGETHER)
            self._log.append_all(part, now_ns())
            together = together[len(part) :]

    def _write(self, work: Work) -> Any:
        if isinstance(work, Prepared):
            return self._log.apply(work, now_ns())
        if isinstance(work, Record):
            return self._log.append(work, now_ns())
        if isinstance(work, _Kept):
            self._log.append(work.record, now_ns())
            return work.change(self._db)
        assert not isinstance(work, _Direct | _Alone)
        return work(self._db)

    def _undo(self, group: Sequence[_Waiting], error: Exception) -> None:
        """Take the whole group back and tell everyone who waits."""
        self._log.forget_cached()
        self._log.written.clear()
        self._direct.clear()
        failure = _explained(error, self._file)
        note_damage(self._file, error)
        try:
            self._db.rollback()
        except sqlite3.Error as worse:
            failure = _explained(worse, self._file)
        self.error = str(failure)
        tell_all((waiting.answer, Refusal(failure)) for waiting in group)


def _at_most(records: list[Record], samples: int) -> list[Record]:
    """The first of them that have so many samples together; one at least."""
    held = 0
    for at, record in enumerate(records):
        held += sum(len(block.index) for block in record.samples)
        if held > samples:
            return records[: max(at, 1)]
    return records


def refused_as(error: Exception) -> str:
    """The code under which a refusal is counted."""
    if isinstance(error, RefusedError):
        return error.code
    return "gap" if isinstance(error, GapError) else "invalid"


def _explained(error: Exception, file: Path) -> StoreError:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in DISK_CODES:
        return DiskFullError(f"the disk takes no more: cannot write {file}: {error}")
    return StoreError(f"cannot write {file}: {error}")
