"""Reads off the event loop: a few threads, each with a connection of its own."""

from __future__ import annotations

import asyncio
import sqlite3
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from fedsight.collector.store.archive import Archive
from fedsight.collector.store.contract import SampleArchive, SampleSearch
from fedsight.collector.store.schema import StoreConnection, connect_reader

Answer = TypeVar("Answer")


class Readers:
    """A pool of reading threads. `ask` runs a query over one snapshot of the store.

    `archive` is where the samples are: sealed files beside the hot log unless another is given.
    """

    def __init__(self, file: Path, threads: int = 4, archive: SampleArchive | None = None) -> None:
        self._file = file
        self.archive = Archive(file.parent) if archive is None else archive
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="reader")
        self._idle: deque[StoreConnection] = deque()

    async def ask(self, question: Callable[[sqlite3.Connection], Answer]) -> Answer:
        """What `question` answers; raises what it raises."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._run, question)

    async def search(
        self, question: Callable[[sqlite3.Connection, SampleSearch], Answer]
    ) -> Answer:
        """As `ask`, with the samples of the same snapshot."""
        return await self.ask(lambda store: question(store, self.archive.search(store)))

    def ask_now(self, question: Callable[[sqlite3.Connection], Answer]) -> Answer:
        """As `ask`, in the calling thread."""
        return self._run(question)

    def _run(self, question: Callable[[sqlite3.Connection], Answer]) -> Answer:
        try:
            connection = self._idle.pop()
        except IndexError:
            connection = connect_reader(self._file, self.archive)
        try:
            with self.archive.lease():  # taken first: what the snapshot names stays there
                connection.begin()
                return question(connection)
        finally:
            connection.end()
            self._idle.append(connection)

    def close(self) -> None:
        """Wait for reads under way and close all connections."""
        self._pool.shutdown()
        while self._idle:
            self._idle.pop().close()
        self.archive.close()
