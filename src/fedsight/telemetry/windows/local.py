"""Windows on disk: one SQLite file that a bridge writes and any number of processes read.

WAL with `synchronous=NORMAL`, as the journals: what was acknowledged survives the death of every
process at any moment; a power cut may cost the last moments before it.
https://www.sqlite.org/wal.html
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

import pandas as pd

from fedsight.journal.ownership import Ownership
from fedsight.journal.transaction import transaction
from fedsight.telemetry.windows import tables
from fedsight.telemetry.windows.contract import (
    INTERVAL_NS,
    MAX_NODES,
    MAX_ROWS,
    Added,
    Figures,
    WindowError,
    node_name,
)
from fedsight.telemetry.windows.frames import Rows, empty, frame, rows_of
from fedsight.telemetry.windows.notices import Notices
from fedsight.telemetry.windows.slots import Extent
from fedsight.telemetry.windows.telling import tell
from fedsight.telemetry.windows.waiting import wait_for

T = TypeVar("T")

FILE = "windows.sqlite"
#: Seconds between two looks for something new, and for which a lock is waited for.
POLL_SECONDS = 0.1
BUSY_SECONDS = 5.0
#: Where there are too many nodes, one silent for so long gives way to a new one.
SILENT_NS = 86_400_000_000_000


class LocalWindows:
    """The windows in the directory `path`, which the first rows make.

    Threads may share it, and processes the directory. Who reads sees rows once they are
    acknowledged. Raises WindowError, naming the file, where it cannot be read or written, or
    where its slots lie another interval apart.
    """

    def __init__(
        self,
        path: Path,
        max_rows: int = MAX_ROWS,
        interval_ns: int = INTERVAL_NS,
        *,
        max_nodes: int = MAX_NODES,
        now: Callable[[], int] = time.time_ns,
        notices: Notices | None = None,
    ) -> None:
        self.path = path / FILE
        self.extent = Extent(max_rows, interval_ns).checked()
        self.max_nodes = max_nodes
        self.notices = notices or Notices()
        self.now = now
        self._using = threading.RLock()
        self._db: sqlite3.Connection | None = None
        self._file: os.stat_result | None = None

    @property
    def interval_ns(self) -> int:
        """How far slots lie apart: what the file says, else what was asked for."""
        return self.read(_interval, None) or self.extent.interval_ns

    def nodes(self) -> list[str]:
        """The nodes that have rows, in order of their names."""
        return self.read(tables.names, [])

    def figures(self, node: str) -> Figures | None:
        """The node's window in figures; None while it has no rows."""
        name = node_name(node)
        return self.read(lambda db: tables.figures(db, name), None)

    def window(self, node: str) -> LocalWindow:
        """A new handle on the node's window."""
        return LocalWindow(self, node_name(node))

    def read(self, question: Callable[[sqlite3.Connection], T], nothing: T) -> T:
        """What the file answers, as of one moment; `nothing` where there is no file yet."""
        with self._using, self._named("read"):
            db = self._opened()
            if db is None:
                return nothing
            with transaction(db, reading=True):
                return question(db)

    def add(self, node: str, rows: Rows) -> Added:
        """Put rows where they belong, acknowledged when it returns."""
        with self._using, self._named("write"):
            db = self._opened() or self._made()
            with transaction(db):
                self._check_interval(db)
                now = self.now()
                there = tables.find(db, node)
                if there is None:
                    self._make_room(db, node, now)
                added = tables.add(db, node, there, rows, self.extent, now)
        tell(self.notices, node, added, is_first=there is None)
        return added

    def _check_interval(self, db: sqlite3.Connection) -> None:
        there, wanted = _interval(db), self.extent.interval_ns
        if there != wanted:
            raise WindowError(
                f"the windows in {self.path} have slots of {(there or 0) / 1e9:g} s; set"
                f" windows.interval_seconds to that instead of {wanted / 1e9:g}, or move them away"
            )

    def _make_room(self, db: sqlite3.Connection, node: str, now: int) -> None:
        """Let one long silent node go where a new one comes to a full store."""
        if tables.count(db) < self.max_nodes:
            return
        silent = tables.silent_longest(db)
        if silent is None or now - silent[1] < SILENT_NS:
            raise WindowError(
                f"there are windows of {self.max_nodes} nodes already; node {node} gets none"
                " unless windows.max_nodes allows more"
            )
        tables.remove(db, silent[0])

    @contextmanager
    def _named(self, deed: str) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            self.close()
            damaged = not isinstance(error, sqlite3.OperationalError)
            mend = "; move the file away, and it is filled anew" if damaged else ""
            raise WindowError(f"cannot {deed} the windows in {self.path}: {error}{mend}") from error
        except OSError as error:
            raise WindowError(
                f"cannot {deed} the windows in {self.path}: {error.strerror}"
            ) from error

    def _opened(self) -> sqlite3.Connection | None:
        """The file as it is now there, if it is: it may have been moved away since."""
        try:
            there = os.stat(self.path)
        except FileNotFoundError:
            self.close()
            return None
        if self._file and not os.path.samestat(there, self._file):
            self.close()
        if self._db is None:
            db = self._connected("rw")
            made = db.execute("PRAGMA user_version").fetchone()[0]
            if made > tables.FORMAT:
                db.close()
                raise WindowError(f"{self.path} was written by a newer fedsight; use that")
            if made < tables.FORMAT:  # who makes it is not done, or died over it
                db.close()
                return None
            self._db, self._file = db, there
        return self._db

    def _made(self) -> sqlite3.Connection:
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self._making():
            db = self._connected("rwc")
            db.execute("PRAGMA journal_mode=WAL")
            with transaction(db):
                for statement in tables.SCHEMA.split(";"):
                    db.execute(statement)
                interval = self.extent.interval_ns
                db.execute("INSERT OR IGNORE INTO setting VALUES ('interval_ns', ?)", (interval,))
                db.execute(f"PRAGMA user_version={tables.FORMAT}")
        self._db, self._file = db, os.stat(self.path)
        return db

    @contextmanager
    def _making(self) -> Iterator[None]:
        """One process makes the file. What lies beside one that was moved away is not its own:
        whoever still reads that one holds them, and SQLite would take them for the new file's."""
        ownership = Ownership(self.path.with_name(f"{FILE}.lock"))
        try:
            if not ownership.acquire(BUSY_SECONDS):
                raise WindowError(f"another process is making {self.path} for {BUSY_SECONDS:g} s")
            if not self.path.exists():
                for beside in ("-wal", "-shm"):
                    self.path.with_name(f"{FILE}{beside}").unlink(missing_ok=True)
            yield
        finally:
            ownership.release()

    def _connected(self, mode: str) -> sqlite3.Connection:
        address = f"file:{quote(str(self.path.absolute()))}?mode={mode}"
        db = sqlite3.connect(
            address, BUSY_SECONDS, isolation_level=None, check_same_thread=False, uri=True
        )
        db.execute("PRAGMA synchronous=NORMAL")
        return db

    def close(self) -> None:
        """Let the file go. What was added stays."""
        with self._using:
            db, self._db, self._file = self._db, None, None
            if db is not None:
                db.close()

    def __enter__(self) -> LocalWindows:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class LocalWindow:
    """The window of one node on disk."""

    def __init__(self, windows: LocalWindows, node: str) -> None:
        self._all = windows
        self._node = node
        self._seen = 0

    def add_dataframe(self, df: pd.DataFrame) -> Added:
        """Put rows where they belong."""
        return self._all.add(self._node, rows_of(df))

    def get_dataframe(self) -> pd.DataFrame:
        """The window as it is."""
        found = self._all.read(self._read, None)
        if found is None:
            return empty()
        self._seen, rows = found
        return frame(rows)

    def wait_for_dataframe(self, timeout: float) -> pd.DataFrame:
        """The window, once it holds what this handle has not handed out yet."""
        wait_for(self._is_new, timeout, POLL_SECONDS, self._node)
        return self.get_dataframe()

    def _is_new(self) -> bool:
        version = self._all.read(lambda db: tables.version(db, self._node), 0)
        return version not in (0, self._seen)

    def _read(self, db: sqlite3.Connection) -> tuple[int, Rows] | None:
        node = tables.find(db, self._node)
        return (node.version, tables.window(db, node)) if node else None


def _interval(db: sqlite3.Connection) -> int | None:
    found = db.execute("SELECT value FROM setting WHERE name = 'interval_ns'").fetchone()
    return int(found[0]) if found else None
