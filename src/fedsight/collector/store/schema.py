"""The tables of the hot log, and connections to it.

What happened is kept as rows (runs, rounds, events); what was measured is kept as one row for each
batch, with its columns as little-endian blobs, since a row for each sample is many times slower to
take in and to read (see docs/decisions/0101-batches-as-blobs.md).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from fedsight.collector.store.contract import SampleArchive

Found = TypeVar("Found")

APPLICATION_ID = 0x46454453
VERSION = 3
FILE_NAME = "collector.sqlite"

TABLES = """
CREATE TABLE journals (
  id TEXT PRIMARY KEY, last_seq INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE runs (
  id TEXT PRIMARY KEY, journal TEXT, task TEXT, strategy TEXT, engine TEXT,
  state TEXT NOT NULL DEFAULT 'training', reason TEXT,
  round INTEGER NOT NULL DEFAULT 0, rounds INTEGER, nodes TEXT NOT NULL DEFAULT '[]',
  started INTEGER, ended INTEGER,
  first_seen INTEGER NOT NULL, last_seen INTEGER NOT NULL, received INTEGER NOT NULL,
  accuracy REAL, best_accuracy REAL, loss REAL,
  payload_down_bytes INTEGER, payload_up_bytes INTEGER, model_parameters INTEGER,
  failures INTEGER NOT NULL DEFAULT 0, p95_seconds REAL,
  config TEXT NOT NULL DEFAULT '{}',
  waiting TEXT, stalled TEXT, paused TEXT
) STRICT;
CREATE INDEX runs_newest ON runs (coalesce(started, first_seen) DESC, id);

CREATE TABLE rounds (
  run TEXT NOT NULL, round INTEGER NOT NULL, started INTEGER, seconds REAL,
  accuracy REAL, loss REAL, train_loss REAL, selected INTEGER, participants INTEGER,
  failures INTEGER, samples INTEGER, payload_down_bytes INTEGER, payload_up_bytes INTEGER,
  PRIMARY KEY (run, round)
) STRICT, WITHOUT ROWID;

CREATE TABLE events (
  id INTEGER PRIMARY KEY AUTOINCREMENT, time INTEGER NOT NULL, source TEXT NOT NULL,
  kind TEXT NOT NULL, run TEXT, round INTEGER, node TEXT, details TEXT NOT NULL
) STRICT;
CREATE INDEX events_of_run ON events (run, id);
CREATE INDEX events_of_clients ON events (run, round)
  WHERE kind IN ('CLIENT_FAILED', 'UPDATE_REJECTED', 'CLIENT_SILENT');

CREATE TABLE span_batches (
  id INTEGER PRIMARY KEY, run TEXT NOT NULL, round INTEGER NOT NULL, n INTEGER NOT NULL,
  first_start INTEGER NOT NULL, nodes TEXT NOT NULL,
  node BLOB NOT NULL, phase BLOB NOT NULL, ok BLOB NOT NULL, start BLOB NOT NULL,
  duration BLOB NOT NULL
) STRICT;
CREATE INDEX span_batches_of_run ON span_batches (run, round, id, n, first_start);

CREATE TABLE series (
  id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, name TEXT NOT NULL, labels TEXT NOT NULL,
  run TEXT, node TEXT
) STRICT;
CREATE INDEX series_of_run ON series (run, name);

CREATE TABLE sample_batches (
  id INTEGER PRIMARY KEY, journal TEXT NOT NULL, seq INTEGER NOT NULL, run TEXT,
  first_round INTEGER, last_round INTEGER, n INTEGER NOT NULL,
  series BLOB NOT NULL, round BLOB NOT NULL, value BLOB NOT NULL, time BLOB NOT NULL
) STRICT;
CREATE INDEX sample_batches_of_run ON sample_batches (run, first_round, last_round, n);
"""

#: Samples that were sealed into Parquet files, and their roll-ups; how many went elsewhere.
SEALED_TABLES = """
CREATE TABLE segments (
  id INTEGER PRIMARY KEY AUTOINCREMENT, file TEXT NOT NULL UNIQUE, step INTEGER NOT NULL,
  source INTEGER, level INTEGER NOT NULL, first_batch INTEGER NOT NULL,
  last_batch INTEGER NOT NULL, n INTEGER NOT NULL, bytes INTEGER NOT NULL, sha256 TEXT NOT NULL,
  first_time INTEGER NOT NULL, last_time INTEGER NOT NULL,
  first_series INTEGER NOT NULL, last_series INTEGER NOT NULL, created INTEGER NOT NULL,
  spans TEXT NOT NULL DEFAULT '[]'
) STRICT;
CREATE INDEX segments_by_batch ON segments (last_batch);

CREATE TABLE forwarded (
  store TEXT PRIMARY KEY, samples INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
"""

#: Alerts, silences and acknowledgements.
ALERT_TABLES = """
CREATE TABLE alerts (
  id INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL, type TEXT NOT NULL,
  severity TEXT NOT NULL, state TEXT NOT NULL, message TEXT NOT NULL, current_value REAL,
  expected_low REAL, expected_high REAL, threshold REAL, baseline REAL,
  time INTEGER NOT NULL, seen INTEGER NOT NULL, started INTEGER NOT NULL, fired INTEGER,
  cleared INTEGER, resolved INTEGER, run TEXT, round INTEGER, node TEXT, labels TEXT NOT NULL,
  evidence TEXT NOT NULL, count INTEGER NOT NULL, notified INTEGER NOT NULL,
  acknowledged_by TEXT, acknowledged_at INTEGER, acknowledged_comment TEXT
) STRICT;
CREATE UNIQUE INDEX alerts_active ON alerts (key) WHERE state != 'resolved';
CREATE INDEX alerts_newest ON alerts (started DESC, id DESC);
CREATE INDEX alerts_in_state ON alerts (state, resolved);

CREATE TABLE silences (
  id INTEGER PRIMARY KEY AUTOINCREMENT, matchers TEXT NOT NULL, starts INTEGER NOT NULL,
  ends INTEGER NOT NULL, by TEXT NOT NULL, comment TEXT NOT NULL
) STRICT;

CREATE TABLE alert_outbox (
  id INTEGER PRIMARY KEY AUTOINCREMENT, target TEXT NOT NULL, event TEXT NOT NULL,
  alert TEXT NOT NULL, created INTEGER NOT NULL, attempts INTEGER NOT NULL DEFAULT 0,
  due INTEGER NOT NULL
) STRICT;
CREATE INDEX alert_outbox_of ON alert_outbox (target, id);
"""

#: Exports that were asked for, and how far events went to servers outside.
EXPORT_TABLES = """
CREATE TABLE exports (
  id TEXT PRIMARY KEY, state TEXT NOT NULL, request TEXT NOT NULL,
  created INTEGER NOT NULL, ended INTEGER, expires INTEGER NOT NULL,
  attempts INTEGER NOT NULL DEFAULT 0, rows INTEGER, bytes INTEGER, note TEXT, error TEXT
) STRICT, WITHOUT ROWID;
CREATE INDEX exports_newest ON exports (created DESC, id);

CREATE TABLE event_cursors (
  target TEXT PRIMARY KEY, last_event INTEGER NOT NULL, sent INTEGER NOT NULL DEFAULT 0,
  refused INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
"""

#: How far each monitor has read what it watches.
MONITOR_TABLES = """
CREATE TABLE monitor_cursors (
  monitor TEXT PRIMARY KEY, cursor BLOB NOT NULL
) STRICT, WITHOUT ROWID;
"""

#: What brings a store of each older version to the next one.
UPGRADES = {
    1: "ALTER TABLE runs ADD COLUMN waiting TEXT; ALTER TABLE runs ADD COLUMN stalled TEXT;"
    " ALTER TABLE runs ADD COLUMN paused TEXT;",
    2: SEALED_TABLES + ALERT_TABLES + EXPORT_TABLES + MONITOR_TABLES,
}


#: Of a new file. Samples are blobs of half a megabyte: each page costs two writes and a checksum,
#: twice. See docs/decisions/0153-larger-pages.md.
PAGE_BYTES = 16_384
#: Bytes of the write-ahead log that are folded into the file at once.
CHECKPOINT_BYTES = 8 * 2**20


def connect_writer(file: Path) -> sqlite3.Connection:
    """The one connection that writes: every commit is on disk before it returns.

    Raises sqlite3.Error where the file cannot be opened or is damaged.
    """
    connection = sqlite3.connect(file, isolation_level=None, check_same_thread=False, timeout=10)
    try:
        # Before there is any page; a file that has some stays as it is (see `shrinking`).
        connection.execute(f"PRAGMA page_size={PAGE_BYTES}")
        connection.execute("PRAGMA auto_vacuum=INCREMENTAL")
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA cache_size=-16384")
        (page,) = connection.execute("PRAGMA page_size").fetchone()
        connection.execute(f"PRAGMA wal_autocheckpoint={CHECKPOINT_BYTES // page}")
        connection.execute("PRAGMA journal_size_limit=16777216")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


class StoreConnection(sqlite3.Connection):
    """A reading connection that knows where samples are that are no longer in the hot log.

    Between `begin` and `end` it remembers what was read of the store as a whole (`remembered`).
    """

    archive: SampleArchive | None = None
    _version: int | None = None
    _facts: dict[Any, Any] | None = None
    #: What was read of the snapshot that is open; None where nothing is remembered.
    facts: dict[Any, Any] | None = None

    def begin(self) -> None:
        """Open a snapshot. What was read of the one before is still true where nobody wrote
        meanwhile: https://www.sqlite.org/pragma.html#pragma_data_version"""
        self.execute("BEGIN")
        (version,) = self.execute("PRAGMA data_version").fetchone()  # this opens the snapshot
        if version != self._version or self._facts is None:
            self._version, self._facts = version, {}
        self.facts = self._facts

    def end(self) -> None:
        """Close the snapshot."""
        self.facts = None
        if self.in_transaction:
            self.rollback()


def remembered(
    read: Callable[[sqlite3.Connection], Found],
) -> Callable[[sqlite3.Connection], Found]:
    """What `read` finds, read once for as long as nobody writes; it must not be changed."""

    @wraps(read)
    def known(snapshot: sqlite3.Connection) -> Found:
        facts = snapshot.facts if isinstance(snapshot, StoreConnection) else None
        if facts is None:
            return read(snapshot)
        if read not in facts:
            facts[read] = read(snapshot)
        found: Found = facts[read]
        return found

    return known


def connect_reader(file: Path, archive: SampleArchive | None = None) -> StoreConnection:
    """A connection that cannot change anything; may be used from any one thread at a time."""
    connection = sqlite3.connect(
        f"{file.absolute().as_uri()}?mode=ro",
        uri=True,
        isolation_level=None,
        check_same_thread=False,
        timeout=10,
        factory=StoreConnection,
    )
    connection.archive = archive
    connection.execute("PRAGMA query_only=1")
    connection.execute("PRAGMA mmap_size=268435456")
    return connection


def create(connection: sqlite3.Connection) -> None:
    """Make the tables in an empty file, all or none."""
    connection.executescript(
        f"BEGIN IMMEDIATE;{TABLES}{SEALED_TABLES}{ALERT_TABLES}{EXPORT_TABLES}"
        f"{MONITOR_TABLES}"
        f"PRAGMA application_id={APPLICATION_ID};PRAGMA user_version={VERSION};COMMIT;"
    )


def upgrade(connection: sqlite3.Connection) -> None:
    """Bring an older store to this version, step by step, each all or none."""
    while (version := int(connection.execute("PRAGMA user_version").fetchone()[0])) in UPGRADES:
        connection.executescript(
            f"BEGIN IMMEDIATE;{UPGRADES[version]}PRAGMA user_version={version + 1};COMMIT;"
        )
