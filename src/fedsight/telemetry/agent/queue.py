"""What was scraped and is not sent yet, on disk: one SQLite file, a row a scrape.

WAL with `synchronous=FULL`: what `put` has returned from survives kill -9 and a power cut.
https://www.sqlite.org/wal.html
"""

from __future__ import annotations

import secrets
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from fedsight.errors import FedsightError
from fedsight.journal.ownership import Ownership
from fedsight.journal.transaction import transaction

FILE = "queue.sqlite"
LOCK = "lock"
LOCK_SECONDS = 1.0
#: Of the bound, what is made free at once, so that not every scrape has to.
ROOM_SHARE = 16
#: In the place of a target's name, which is never empty.
UNDER_WAY = ""
#: As well: no target is called so.
IDENTITY = "\0agent"
SCHEMA = """
CREATE TABLE IF NOT EXISTS scrape (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    time INTEGER NOT NULL,
    points INTEGER NOT NULL,
    body BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS state (target TEXT PRIMARY KEY, kept BLOB NOT NULL);
"""


class QueueError(FedsightError):
    """The queue cannot be opened or written; the message names its file."""


class AnotherAgentError(FedsightError):
    """Another agent has this queue."""


class Scrape(NamedTuple):
    """One scrape as it waits: encoded, with its number of points."""

    seq: int
    points: int
    body: bytes


class Size(NamedTuple):
    """How much waits, or was dropped."""

    scrapes: int = 0
    points: int = 0
    bytes: int = 0

    def plus(self, other: Size, sign: int = 1) -> Size:
        """Both together."""
        return Size(*(mine + sign * theirs for mine, theirs in zip(self, other, strict=True)))


class Queue:
    """Scrapes in the order in which they came, at most `max_bytes` of them. Any thread may use it.

    Raises AnotherAgentError where another process has the folder, QueueError for a file that is
    none of ours or cannot be written.
    """

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self._path = folder / FILE
        self._max = max_bytes
        self._using = threading.Lock()
        self._ownership = _owned(folder)
        try:
            with self._named("open"):
                self._db = sqlite3.connect(
                    self._path, isolation_level=None, check_same_thread=False
                )
                self._db.execute("PRAGMA journal_mode=WAL")
                self._db.execute("PRAGMA synchronous=FULL")
                self._db.executescript(SCHEMA)
                self._size = self._measured("1")
            #: The last scrape of the request that was made last; 0: there was none.
            self._under_way = int(self.state(UNDER_WAY) or 0)
            #: What tells this queue's agent from another of the same node: random, for good.
            self.identity = (self.state(IDENTITY) or b"").decode()
            if not self.identity:
                self.identity = secrets.token_hex(8)
                self.keep(IDENTITY, self.identity.encode())
        except QueueError:
            self._ownership.release()
            raise

    @property
    def size(self) -> Size:
        """How much waits."""
        return self._size

    @property
    def last(self) -> int:
        """The newest scrape's number; 0 where none waits."""
        with self._using, self._named("read"):
            return int(self._db.execute("SELECT coalesce(max(seq), 0) FROM scrape").fetchone()[0])

    @property
    def oldest_time(self) -> int | None:
        """When the oldest that waits was scraped (Unix ns); None where none waits."""
        with self._using, self._named("read"):
            query = "SELECT time FROM scrape ORDER BY seq LIMIT 1"
            found = self._db.execute(query).fetchone()
        return int(found[0]) if found else None

    def put(self, target: str, time: int, points: int, body: bytes, kept: bytes | None) -> Size:
        """Add a scrape, with what its target's counters need where it is given; return what had to
        be dropped for it, the oldest. It is on disk when this returns. Raises QueueError."""
        with self._using:
            with self._transaction():
                dropped = self._make_room(len(body))
                query = "INSERT INTO scrape (time, points, body) VALUES (?, ?, ?)"
                self._db.execute(query, (time, points, body))
                if kept is not None:
                    self._db.execute("INSERT OR REPLACE INTO state VALUES (?, ?)", (target, kept))
            self._size = self._size.plus(dropped, -1).plus(Size(1, points, len(body)))
        return dropped

    def _make_room(self, incoming: int) -> Size:
        excess = self._size.bytes + incoming - self._max
        if excess <= 0 or not self._size.scrapes:
            return Size()
        excess += self._max // ROOM_SHARE
        upto = freed = 0
        query = "SELECT seq, length(body) FROM scrape ORDER BY seq"
        for seq, size in self._db.execute(query):
            upto, freed = seq, freed + size
            if freed >= excess:
                break
        # What is left of a request would be another one, and what was taken of it doubled.
        upto = max(upto, self._under_way)
        gone = self._measured(f"seq <= {int(upto)}")
        self._db.execute("DELETE FROM scrape WHERE seq <= ?", (upto,))
        return gone

    def state(self, target: str) -> bytes | None:
        """What was kept of a target's counters."""
        with self._using, self._named("read"):
            query = "SELECT kept FROM state WHERE target = ?"
            found = self._db.execute(query, (target,)).fetchone()
        return bytes(found[0]) if found else None

    def keep(self, target: str, kept: bytes) -> None:
        """Keep that without a scrape. Raises QueueError."""
        with self._using, self._transaction():
            self._db.execute("INSERT OR REPLACE INTO state VALUES (?, ?)", (target, kept))

    def head(self, upto: int, most_bytes: int) -> list[Scrape]:
        """The oldest up to the number `upto`: at most `most_bytes`, or a single one."""
        with self._using, self._named("read"):
            return self._oldest(upto, most_bytes)

    def request(self, upto: int, most_bytes: int) -> list[Scrape]:
        """What to send next: `head`, and until that is done, halved or dropped the same again, for
        the next process too. Whoever got it and could not say so knows by its bytes what comes
        again."""
        with self._using, self._named("read"):
            found = self._oldest(self._under_way)
            if not found:
                found = self._oldest(upto, most_bytes)
                self._note_under_way(found)
        return found

    def halve(self, scrapes: Sequence[Scrape]) -> int:
        """The first half of these is what to send next; the number of its last."""
        with self._using:
            self._note_under_way(scrapes[: len(scrapes) // 2])
            return self._under_way

    def _note_under_way(self, scrapes: Sequence[Scrape]) -> None:
        if not scrapes:
            return
        self._under_way = scrapes[-1].seq
        # A full disk must not keep what waits from leaving it.
        with suppress(QueueError), self._transaction():
            query = "INSERT OR REPLACE INTO state VALUES (?, ?)"
            self._db.execute(query, (UNDER_WAY, str(self._under_way).encode()))

    def _oldest(self, upto: int, most_bytes: int | None = None) -> list[Scrape]:
        found: list[Scrape] = []
        taken = 0
        query = "SELECT seq, points, body FROM scrape WHERE seq <= ? ORDER BY seq"
        for seq, points, body in self._db.execute(query, (upto,)):
            taken += len(body)
            if found and most_bytes is not None and taken > most_bytes:
                break
            found.append(Scrape(seq, points, body))
        return found

    def done(self, scrapes: Sequence[Scrape]) -> None:
        """Forget these; those that were dropped meanwhile are gone already. Raises QueueError."""
        if not scrapes:
            return
        where = f"seq BETWEEN {int(scrapes[0].seq)} AND {int(scrapes[-1].seq)}"
        with self._using:
            with self._transaction():
                gone = self._measured(where)
                self._db.execute(f"DELETE FROM scrape WHERE {where}")
            self._size = self._size.plus(gone, -1)

    def _measured(self, where: str) -> Size:
        query = (
            "SELECT count(*), coalesce(sum(points), 0), coalesce(sum(length(body)), 0)"
            f" FROM scrape WHERE {where}"
        )
        return Size(*self._db.execute(query).fetchone())

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._named("write"), transaction(self._db):
            yield

    @contextmanager
    def _named(self, doing: str) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise QueueError(
                f"cannot {doing} the agent's queue {self._path}: {error}; where it is damaged, move"
                " it away and start again"
            ) from error

    def close(self) -> None:
        """Give the queue up. What was not sent waits on disk."""
        with self._using:
            self._db.close()
            self._ownership.release()


def _owned(folder: Path) -> Ownership:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        ownership = Ownership(folder / LOCK)
    except OSError as error:
        raise QueueError(
            f"cannot write to the agent's queue {folder}: {error.strerror};"
            " choose another with agent.queue"
        ) from error
    if not ownership.acquire(LOCK_SECONDS):
        ownership.release()
        raise AnotherAgentError(
            f"another agent is running with the queue {folder}: one node has one agent; end that"
            " one, or give this one a node and a queue of its own (agent.node, agent.queue)"
        )
    return ownership
