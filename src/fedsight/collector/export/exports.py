"""Exports in the background: made one after another, kept until their time is over."""

from __future__ import annotations

import asyncio
import errno
import logging
import secrets
import shutil
import sqlite3
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from fedsight.collector.ending import end_loops
from fedsight.collector.export import kept
from fedsight.collector.export.job import Exported, write_archive
from fedsight.collector.export.kept import Export, Kept
from fedsight.collector.export.request import ExportRequest, scope_of
from fedsight.collector.export.source import Source
from fedsight.collector.ingest import Ingest
from fedsight.collector.reading import queries
from fedsight.collector.store.readers import Readers
from fedsight.door.refusal import RefusedError, too_many
from fedsight.door.times import now_ns
from fedsight.errors import FedsightError

logger = logging.getLogger(__name__)

Answer = TypeVar("Answer")
FOLDER = "exports"
SUFFIX = ".zip"
WORK = "work"
#: How often it is looked whether an export's time is over.
LOOK_SECONDS = 60.0
#: After a fault of the loop's own, such as a disk that takes nothing.
PAUSE_SECONDS = 5.0
#: Exports that may be queued, and that are kept in all.
MOST_WAITING = 16
MOST_KEPT = 1000
RETRY_SECONDS = 10.0
#: How long what is under way has to notice that it is broken off.
STOP_SECONDS = 10.0
DAY_NS = 86_400 * 10**9


@dataclass(frozen=True, slots=True)
class ExportLimits:
    """How long a file is kept, and how many bytes all of them may take up."""

    keep_days: float = 7.0
    most_bytes: int = 4 * 2**30


class _StoppedError(Exception):
    """The export is not wanted any more, or the collector ends."""


class _TooLargeError(FedsightError):
    """The files would take up more than they may."""


class _Look:
    """Watches one export: notes its progress, and ends it."""

    def __init__(self, most_bytes: int) -> None:
        self.share = 0.0
        self.ended = threading.Event()
        self._most = most_bytes
        self._interrupt: Callable[[], None] = lambda: None

    def begins(self, interrupt: Callable[[], None]) -> None:
        self._interrupt = interrupt

    def step(self, share: float, written: int) -> None:
        self.share = round(share, 4)
        if self.ended.is_set():
            raise _StoppedError
        if written > self._most:
            raise _TooLargeError(
                f"exports may take up {self._most} more bytes and this one needs more than that;"
                " ask for less, remove others (DELETE /api/v1/exports/ID), or raise"
                " export.max_bytes"
            )

    def end(self) -> None:
        self.ended.set()
        self._interrupt()


class Exports:
    """Makes exports one after another. `error` says why the last look at the table failed."""

    def __init__(self, data: Path, ingest: Ingest, readers: Readers, limits: ExportLimits) -> None:
        self._folder = data / FOLDER
        self._ingest = ingest
        self._readers = readers
        self._source: Source
        self._limits = limits
        self._wake = asyncio.Event()
        self._closing = False
        self._task: asyncio.Task[None] | None = None
        self._current: tuple[str, _Look] | None = None
        self.error: str | None = None
        self.made = 0
        self.failed = 0

    async def ask(self, request: ExportRequest) -> Export:
        """Queue an export.

        Raises BadFieldError for a request that makes no sense; answers 404 for a run that there is
        not, 429 while too many wait, 507 while their files take up all that they may.
        """
        scope = scope_of(request)
        if scope.run is not None:
            run_id = scope.run
            found = await self._readers.ask(lambda db: queries.run(db, run_id, now_ns()))
            if found is None:
                message = f"there is no run {run_id!r}"
                raise RefusedError(404, "not_found", message, field="experiment_id")
        now = now_ns()
        expires = now + round(self._limits.keep_days * DAY_NS)
        id_ = secrets.token_hex(16)

        def queue(db: sqlite3.Connection) -> Kept:
            self._check_room(db)
            return kept.add(db, id_, request, now, expires)

        added = await self._change(queue)
        self._wake.set()
        return added.shown(0.0)

    def _check_room(self, db: sqlite3.Connection) -> None:
        if kept.waiting(db) >= MOST_WAITING:
            raise too_many(f"{MOST_WAITING} exports wait already", RETRY_SECONDS)
        held, count = kept.held_bytes(db), kept.newest(db, 0, 0)[1]
        if held >= self._limits.most_bytes or count >= MOST_KEPT:
            message = (
                f"{count} exports take up {held} bytes, the most that is kept (export.max_bytes);"
                " remove some (DELETE /api/v1/exports/ID) or wait until they expire"
            )
            raise RefusedError(507, "exports_full", message)

    async def page(self, limit: int, offset: int) -> tuple[list[Export], int]:
        """Exports, newest first, and how many there are."""
        found, total = await self._readers.ask(lambda db: kept.newest(db, limit, offset))
        return [each.shown(self._progress(each.id)) for each in found], total

    async def find(self, id_: str) -> Export:
        """One export; answers 404 where there is none, or no longer."""
        found = await self._readers.ask(lambda db: kept.find(db, id_))
        if found is None:
            raise RefusedError(404, "not_found", "there is no such export, or no longer")
        return found.shown(self._progress(id_))

    async def file(self, id_: str) -> Path:
        """The file of an export that is done; answers 404 or, while it is not, 409."""
        export = await self.find(id_)
        if export.state != "done":
            why = export.error or f"{export.progress:.0%} of it is done"
            raise RefusedError(409, "not_ready", f"the export is {export.state}: {why}")
        file = self._path(export.export_id)
        if not await asyncio.to_thread(file.is_file):
            raise RefusedError(404, "not_found", "the export's file is gone: ask for it again")
        return file

    async def remove(self, id_: str) -> None:
        """Forget an export and remove its file; one that is under way is broken off."""
        await self.find(id_)
        if self._current is not None and self._current[0] == id_:
            self._current[1].end()
        await self._change(lambda db: kept.remove(db, id_))
        await asyncio.to_thread(self._path(id_).unlink, missing_ok=True)

    def start(self, source: Source) -> None:
        """Begin to make what is queued out of `source`, and to remove what expires."""
        self._source = source
        self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Break off what is under way, which is made anew at the next start, and end."""
        self._closing = True
        if self._current is not None:
            self._current[1].end()
        self._wake.set()
        if self._task is not None:
            await asyncio.wait({self._task}, timeout=STOP_SECONDS)
        await end_loops(self._task)

    async def _run(self) -> None:
        recovered = False
        while not self._closing:
            try:
                if not recovered:
                    await self._recover()
                    recovered = True
                while await self._expire() or await self._make_next():
                    pass
                self.error = None
                await self._pause(LOOK_SECONDS)
            except Exception as error:  # this loop must outlive whatever one export meets
                self.error = str(error)
                logger.error("exports: %s", error)
                recovered = False  # one may stand as running whose end could not be written
                await self._pause(PAUSE_SECONDS)

    async def _pause(self, seconds: float) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._wake.wait(), seconds)
        self._wake.clear()

    async def _recover(self) -> None:
        """What the last collector left: half files go, unfinished exports begin again."""
        await asyncio.to_thread(self._folder.mkdir, mode=0o700, exist_ok=True)
        there = await asyncio.to_thread(self._swept)
        await self._change(lambda db: kept.recover(db, now_ns(), there))
        known, _ = await self._readers.ask(lambda db: kept.newest(db, 10**9, 0))
        done = {each.id for each in known if each.state == "done"}
        for stray in there - done:
            await asyncio.to_thread(self._path(stray).unlink, missing_ok=True)

    def _swept(self) -> frozenset[str]:
        shutil.rmtree(self._folder / WORK, ignore_errors=True)
        return frozenset(file.stem for file in self._folder.glob(f"*{SUFFIX}"))

    async def _expire(self) -> bool:
        ids = await self._readers.ask(lambda db: kept.expired(db, now_ns()))
        for id_ in ids:
            await asyncio.to_thread(self._path(id_).unlink, missing_ok=True)
            await self._change(lambda db, gone=id_: kept.remove(db, gone))  # type: ignore[misc]
        return False

    async def _make_next(self) -> bool:
        """Make the export that has waited longest; False where none waits."""
        waits = await self._readers.ask(kept.next_queued)
        if waits is None or self._closing:
            return False
        held = await self._readers.ask(kept.held_bytes)
        look = _Look(max(0, self._limits.most_bytes - held))
        self._current = (waits.id, look)
        try:
            await self._change(lambda db: kept.begin(db, waits.id))
            await self._make(waits, look)
        finally:
            self._current = None
        return not self._closing

    async def _make(self, waits: Kept, look: _Look) -> None:
        target = self._path(waits.id)
        try:
            made = await asyncio.to_thread(self._written, waits.request, target, look)
        except Exception as error:  # one export's fault must not end those that follow
            if look.ended.is_set():
                await self._change(lambda db: kept.queue_again(db, waits.id))
                return
            self.failed += 1
            why = explained(error)
            logger.warning("export %s failed: %s", waits.id, why)
            await self._change(lambda db: kept.fail(db, waits.id, now_ns(), why))
            return
        self.made += 1
        size = target.stat().st_size
        await self._change(
            lambda db: kept.finish(db, waits.id, now_ns(), made.rows, size, made.note)
        )
        if await self._readers.ask(lambda db: kept.find(db, waits.id)) is None:
            target.unlink(missing_ok=True)

    def _written(self, request: ExportRequest, target: Path, look: _Look) -> Exported:
        work = self._folder / WORK
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(parents=True, mode=0o700)
        try:
            return write_archive(self._source, scope_of(request), work, target, look)
        finally:
            shutil.rmtree(work, ignore_errors=True)

    def _path(self, id_: str) -> Path:
        """Where an export's file is; the id is one of ours, never a request's text."""
        return self._folder / f"{id_}{SUFFIX}"

    def _progress(self, id_: str) -> float:
        current = self._current
        return current[1].share if current is not None and current[0] == id_ else 0.0

    async def _change(self, work: Callable[[sqlite3.Connection], Answer]) -> Answer:
        return await asyncio.wrap_future(self._ingest.change(work))


def explained(error: Exception) -> str:
    """Why an export failed, in one sentence."""
    text = str(error).partition("\n")[0] or type(error).__name__
    if getattr(error, "errno", None) == errno.ENOSPC or "No space left" in text:
        return "the disk is full"
    return text
