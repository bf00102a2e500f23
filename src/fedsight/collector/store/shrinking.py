"""Gives back what the database no longer needs: pages of samples that were sealed since.

SQLite keeps the pages of deleted rows for what comes next, so that its file stays as large as the
hot log ever was. https://www.sqlite.org/pragma.html#pragma_incremental_vacuum
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import Any, Protocol

#: Bytes given back in one go: some milliseconds, in which nothing else is written.
STEP = 2**20
#: Bytes that stay for what comes next, so that a steady trickle does not grow and shrink the file.
SPARE = 4 * 2**20
INCREMENTAL = 2


class WritingAlone(Protocol):
    """The one writing thread, as `ingest.Ingest`."""

    def alone(self, work: Callable[[sqlite3.Connection], Any]) -> Future[Any]:
        """Do `work` between two transactions."""
        ...


def to_spare(store: sqlite3.Connection, spare: int = SPARE) -> bool:
    """Whether a file that can shrink has more than `spare` free bytes."""
    (kind,) = store.execute("PRAGMA auto_vacuum").fetchone()
    return bool(kind == INCREMENTAL and _free(store) > spare)


def give_back(
    writing: WritingAlone, spare: int = SPARE, stopped: Callable[[], bool] = lambda: False
) -> None:
    """Shrink the file to `spare` free bytes, step by step, then fold the write-ahead log into it.

    Between two steps others write. Raises StoreError where a step fails; the rest stays free.
    """
    while writing.alone(partial(_step, spare=spare)).result() and not stopped():
        pass
    writing.alone(_fold).result()


def _step(store: sqlite3.Connection, spare: int) -> bool:
    if not to_spare(store, spare):
        return False
    # As a script, since `execute` ends the statement after its first page.
    most = min(STEP, _free(store) - spare) // _page(store)
    store.executescript(f"PRAGMA incremental_vacuum({max(most, 1)})")
    return to_spare(store, spare)


def _free(store: sqlite3.Connection) -> int:
    return int(store.execute("PRAGMA freelist_count").fetchone()[0]) * _page(store)


def _page(store: sqlite3.Connection) -> int:
    return int(store.execute("PRAGMA page_size").fetchone()[0])


def _fold(store: sqlite3.Connection) -> None:
    """The file itself shrinks here. Where a reader is in the way the next time will do."""
    (patience,) = store.execute("PRAGMA busy_timeout").fetchone()
    store.execute("PRAGMA busy_timeout=0")
    try:
        store.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    finally:
        store.execute(f"PRAGMA busy_timeout={patience}")


def enable(writing: WritingAlone) -> None:
    """Let a file shrink that was made before files could: it is written anew, once.

    Takes as much room again as its live pages. Raises StoreError; nothing has changed then.
    """
    writing.alone(_enable).result()


def _enable(store: sqlite3.Connection) -> None:
    (kind,) = store.execute("PRAGMA auto_vacuum").fetchone()
    if kind != INCREMENTAL:
        store.execute(f"PRAGMA auto_vacuum={INCREMENTAL}")
        store.execute("VACUUM")
