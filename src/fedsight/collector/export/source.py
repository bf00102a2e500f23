"""Where an export reads: the store of a running collector, or one that nobody has open."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, Protocol, TypeVar

from fedsight.collector.store.contract import SampleSearch
from fedsight.collector.store.readers import Readers
from fedsight.collector.store.schema import FILE_NAME
from fedsight.collector.store.storefile import open_readonly

Answer = TypeVar("Answer")


#: As `Collector.search`.
Search = Callable[[Callable[[SampleSearch], Any]], Coroutine[Any, Any, Any]]


class Source(Protocol):
    """Answers questions, each over a snapshot, in the calling thread's time."""

    def rows(self, question: Callable[[sqlite3.Connection], Answer]) -> Answer:
        """What happened: runs, rounds, events, spans."""
        ...

    def samples(self, question: Callable[[SampleSearch], Answer]) -> Answer:
        """What was measured; all that the question needs must be read when it returns."""
        ...


class LiveSource:
    """A running collector's store, asked from a thread that is not its event loop's."""

    def __init__(self, loop: asyncio.AbstractEventLoop, readers: Readers, search: Search) -> None:
        self._loop = loop
        self._readers = readers
        self._search = search

    def rows(self, question: Callable[[sqlite3.Connection], Answer]) -> Answer:
        """As `Source.rows`."""
        return self._readers.ask_now(question)

    def samples(self, question: Callable[[SampleSearch], Answer]) -> Answer:
        """As `Source.samples`, from whichever store of samples the collector has."""
        asked = asyncio.run_coroutine_threadsafe(self._search(question), self._loop)
        answer: Answer = asked.result()
        return answer


class ClosedSource:
    """The store of a data directory that no collector has open, for reading only."""

    def __init__(self, data: Path) -> None:
        open_readonly(data).close()
        self._readers = Readers(data / FILE_NAME, threads=1)

    def rows(self, question: Callable[[sqlite3.Connection], Answer]) -> Answer:
        """As `Source.rows`."""
        return self._readers.ask_now(question)

    def samples(self, question: Callable[[SampleSearch], Answer]) -> Answer:
        """As `Source.samples`."""
        archive = self._readers.archive
        return self._readers.ask_now(lambda snapshot: question(archive.search(snapshot)))

    def close(self) -> None:
        """Close all connections."""
        self._readers.close()


class Watch(Protocol):
    """Looks on as an export is made."""

    def begins(self, interrupt: Callable[[], None]) -> None:
        """The work begins; `interrupt` breaks off a long step of it, from any thread."""
        ...

    def step(self, share: float, written: int) -> None:
        """`share` of the work, 0 to 1, is done and `written` bytes lie on disk.

        May raise, which ends the export.
        """
        ...


class Unwatched:
    """Nobody looks on: the fake of `Watch`."""

    def begins(self, interrupt: Callable[[], None]) -> None:
        """Nothing."""

    def step(self, share: float, written: int) -> None:
        """Nothing."""
