"""A journal: one append-only SQLite file of records, each a `signals.Batch`, numbered from 1.

WAL with `synchronous=NORMAL`: an append is one write to the page cache and no flush, so what was
acknowledged survives the death of the process at any moment; a power cut may cost the last
moments before it. https://www.sqlite.org/wal.html
"""

from __future__ import annotations

import re
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue
from typing import NamedTuple

from fedsight.errors import JournalError
from fedsight.journal.codec import Codec
from fedsight.journal.ownership import Ownership
from fedsight.journal.thinning import dropped, thinned
from fedsight.journal.transaction import transaction
from fedsight.signals import Batch

MAX_BYTES = 256 * 2**20
READ_BYTES = 4 * 2**20
#: Room that one trim makes, as a share of the bound, so that not every append has to trim.
TRIM_SHARE = 8
SUFFIX = ".sqlite"
ID_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.\-]{0,127}")

SCHEMA = """
CREATE TABLE IF NOT EXISTS record (seq INTEGER PRIMARY KEY, body BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS cursor (one INTEGER PRIMARY KEY CHECK (one = 1), shipped INTEGER);
CREATE TABLE IF NOT EXISTS open_run (run TEXT PRIMARY KEY) WITHOUT ROWID;
INSERT OR IGNORE INTO cursor VALUES (1, 0);
"""


class JournalInUseError(JournalError):
    """Another process owns this journal."""


class Record(NamedTuple):
    """One record of a journal."""

    seq: int
    batch: Batch


class Journal:
    """The journal `journal_id` in `folder`, owned by this process until `close`.

    Disk is bounded by `max_bytes` of records. Where an append would pass it, records already
    shipped go first, oldest first, then the samples of nodes in records not yet shipped, and a
    SAMPLES_DROPPED event says so; events, spans and figures of a round always stay.

    Safe for use by several threads. Raises JournalError, naming the file, where it cannot be
    opened or written, and JournalInUseError where another process still owns it after `wait`
    seconds.
    """

    def __init__(
        self, folder: Path, journal_id: str, *, max_bytes: int = MAX_BYTES, wait: float = 5.0
    ) -> None:
        if not ID_PATTERN.fullmatch(journal_id):
            raise ValueError(f"journal id must match {ID_PATTERN.pattern}, got {journal_id!r}")
        if max_bytes <= 0:
            raise ValueError(f"max_bytes must be positive, got {max_bytes}")
        self.id = journal_id
        self.path = folder / f"{journal_id}{SUFFIX}"
        self.max_bytes = max_bytes
        # A queue and no Event: Ctrl-C inside Event.set may leave its lock taken for good.
        self._news: SimpleQueue[None] = SimpleQueue()
        self._writing = threading.Lock()
        self._reading = threading.Lock()
        self._codec = Codec()
        self._read_codec = Codec()
        self._ownership = self._owned(wait)
        self._interrupted = False
        try:
            self._open()
        except BaseException:
            self._ownership.release()
            raise

    def _owned(self, wait: float) -> Ownership:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            ownership = Ownership(self.path.with_name(f"{self.path.name}.lock"))
        except OSError as error:
            raise JournalError(f"cannot open journal {self.path}: {error.strerror}") from error
        if not ownership.acquire(wait):
            ownership.release()
            raise JournalInUseError(f"journal {self.path} is in use by another process")
        return ownership

    def _open(self) -> None:
        with self._named("open"):
            self._db = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=NORMAL")
            self._db.executescript(SCHEMA)
            self._reader = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
            self._recall()

    def _recall(self) -> None:
        """Learn from the file what it holds."""
        with self._named("read"):
            self._shipped: int = self._one("SELECT shipped FROM cursor")
            held = "SELECT coalesce(max(seq), 0), coalesce(sum(length(body)), 0) FROM record"
            last, self._bytes = self._db.execute(held).fetchone()
            self._last: int = max(last, self._shipped)
            self._oldest: int = self._one("SELECT min(seq) FROM record") or self._last + 1
            self._thinned = self._shipped
            self._open_runs = {run for (run,) in self._db.execute("SELECT run FROM open_run")}

    def _one(self, query: str) -> int:
        found: int = self._db.execute(query).fetchone()[0]
        return found

    @contextmanager
    def _named(self, deed: str) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise JournalError(f"cannot {deed} journal {self.path}: {error}") from error

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._named("write"), transaction(self._db):
            yield

    @property
    def last_seq(self) -> int:
        """The newest record's sequence number; 0 before the first."""
        return self._last

    @property
    def oldest_seq(self) -> int:
        """The oldest record still held; `last_seq + 1` where none is."""
        return self._oldest

    @property
    def shipped_seq(self) -> int:
        """The newest record that the collector has; 0 where it has none."""
        return self._shipped

    @property
    def waiting(self) -> int:
        """Records not shipped yet."""
        return self._last - self._shipped

    def waiting_bytes(self) -> int:
        """Bytes of records not shipped yet; asks the file. Raises JournalError."""
        query = "SELECT coalesce(sum(length(body)), 0) FROM record WHERE seq > ?"
        with self._reading, self._named("read"):
            found: int = self._reader.execute(query, (self._shipped,)).fetchone()[0]
            return found

    @property
    def open_runs(self) -> frozenset[str]:
        """Runs that this journal saw start and not end."""
        return frozenset(self._open_runs)

    def append(self, batch: Batch) -> int:
        """Add one record and return its sequence number, after the commit.

        Raises ValueError for a batch that `signals` does not allow, JournalError where the disk
        is full or the file cannot be written; in both cases nothing was added.
        """
        with self._writing:
            body = self._codec.encode(batch)
            self._recover()
            self._interrupted = True
            if self._bytes + len(body) > self.max_bytes:
                self._trim(len(body))
            seq = self._insert(batch, body)
            self._interrupted = False
        self.nudge()
        return seq

    def replace(self, seq: int, batch: Batch) -> None:
        """Put `batch` in the place of the record `seq`, if it is still held.

        Raises ValueError and JournalError as `append` does; then nothing was replaced.
        """
        with self._writing:
            body = self._codec.encode(batch)
            self._recover()
            self._interrupted = True
            with self._named("write"):
                query = "SELECT length(body) FROM record WHERE seq = ?"
                found = self._db.execute(query, (seq,)).fetchone()
                self._db.execute("UPDATE record SET body = ? WHERE seq = ?", (body, seq))
            self._bytes += len(body) - found[0] if found else 0
            self._interrupted = False

    def nudge(self) -> None:
        """End a `wait_for_news`, as an append does."""
        if self._news.empty():
            self._news.put(None)

    def wait_for_news(self) -> None:
        """Wait until something was appended since the last time."""
        self._news.get()

    def _recover(self) -> None:
        """After an append that Ctrl-C or an error cut off, only the file knows what it holds."""
        if not self._interrupted:
            return
        if self._db.in_transaction:
            self._db.execute("ROLLBACK")
        self._recall()

    def _insert(self, batch: Batch, body: bytes) -> int:
        runs = _runs_after(batch, self._open_runs)
        if runs == self._open_runs:
            with self._named("write"):
                self._put(self._last + 1, body)
        else:
            with self._transaction():
                self._put(self._last + 1, body)
                self._db.execute("DELETE FROM open_run")
                self._db.executemany("INSERT INTO open_run VALUES (?)", [(run,) for run in runs])
        self._open_runs = runs
        self._last += 1
        self._bytes += len(body)
        return self._last

    def _put(self, seq: int, body: bytes) -> None:
        self._db.execute("INSERT INTO record VALUES (?, ?)", (seq, body))

    def read(self, after_seq: int, limit: int, max_bytes: int = READ_BYTES) -> list[Record]:
        """Records after `after_seq` in order: at most `limit`, and `max_bytes` or a single one."""
        records: list[Record] = []
        room = max_bytes
        query = "SELECT seq, body FROM record WHERE seq > ? ORDER BY seq LIMIT ?"
        with self._reading, self._named("read"):
            for seq, body in self._reader.execute(query, (after_seq, limit)):
                room -= len(body)
                if records and room < 0:
                    break
                records.append(Record(seq, self._decoded(self._read_codec, seq, body)))
        return records

    def _decoded(self, codec: Codec, seq: int, body: bytes) -> Batch:
        try:
            return codec.decode(body)
        except ValueError as error:
            raise JournalError(f"journal {self.path}: record {seq} is damaged: {error}") from error

    def mark_shipped(self, seq: int) -> None:
        """Note that the collector has all records up to `seq`.

        A `seq` below the one noted before takes it back: a collector that lost its store wants
        the records again. Bounded by what there is.
        """
        with self._writing:
            seq = max(self._oldest - 1, min(seq, self._last))
            if seq == self._shipped:
                return
            with self._named("write"):
                self._db.execute("UPDATE cursor SET shipped = ?", (seq,))
            self._thinned = max(self._thinned, seq) if seq > self._shipped else seq
            self._shipped = seq

    def _trim(self, incoming: int) -> None:
        excess = self._bytes + incoming - self.max_bytes + self.max_bytes // TRIM_SHARE
        excess = self._forget_shipped(excess)
        if self._bytes + incoming > self.max_bytes:
            self._thin(excess)

    def _forget_shipped(self, excess: int) -> int:
        """Delete shipped records until `excess` bytes are free; return what is still too much."""
        query = "SELECT seq, length(body) FROM record WHERE seq <= ? ORDER BY seq"
        upto, freed = self._oldest - 1, 0
        with self._named("read"):
            for seq, size in self._db.execute(query, (self._shipped,)):
                if freed >= excess:
                    break
                upto, freed = seq, freed + size
        if not freed:
            return excess
        with self._transaction():
            self._db.execute("DELETE FROM record WHERE seq <= ?", (upto,))
        self._oldest = upto + 1
        self._bytes -= freed
        return excess - freed

    def _thin(self, excess: int) -> None:
        """Take expendable samples out of unshipped records, oldest first, and record that."""
        bodies: list[tuple[bytes, int]] = []
        freed = samples = 0
        upto = self._thinned
        query = "SELECT seq, body FROM record WHERE seq > ? ORDER BY seq"
        with self._named("read"):
            for seq, body in self._db.execute(query, (self._thinned,)):
                if freed >= excess:
                    break
                upto = seq
                lean, gone = thinned(self._decoded(self._codec, seq, body))
                if gone:
                    bodies.append((self._codec.encode(lean), seq))
                    freed, samples = freed + len(body) - len(bodies[-1][0]), samples + gone
        self._thinned = upto
        if bodies:
            self._replace(bodies, samples, freed)

    def _replace(self, bodies: list[tuple[bytes, int]], samples: int, freed: int) -> None:
        run = next(iter(self._open_runs)) if len(self._open_runs) == 1 else None
        notice = self._codec.encode(dropped(self.id, run, len(bodies), samples))
        with self._transaction():
            self._db.executemany("UPDATE record SET body = ? WHERE seq = ?", bodies)
            self._put(self._last + 1, notice)
        self._last += 1
        self._bytes += len(notice) - freed

    def close(self) -> None:
        """Give the journal up. What was not shipped waits on disk."""
        with self._writing, self._reading:
            self._close_file()
            self._ownership.release()

    def _close_file(self) -> None:
        self._reader.close()
        self._db.close()

    def remove(self) -> None:
        """Close, and remove the journal from disk, whatever it holds."""
        with self._writing, self._reading:
            self._close_file()
            for ending in ("", "-wal", "-shm"):
                self.path.with_name(f"{self.path.name}{ending}").unlink(missing_ok=True)
            self._ownership.remove()

    def discard(self) -> None:
        """Close, and remove the file if nothing was ever appended."""
        if self._last == 0:
            self.remove()
        else:
            self.close()

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _runs_after(batch: Batch, open_runs: set[str]) -> set[str]:
    """The runs that are open once the batch's events have happened."""
    runs = open_runs
    for event in batch.events:
        if event.run is None:
            continue
        if event.kind in {"RUN_STARTED", "RUN_CONTINUED"}:
            runs = runs | {event.run}
        elif event.kind == "RUN_ENDED":
            runs = runs - {event.run}
    return runs
