"""Of each series and minute its mean, least, largest and count go on, once the minute is over.

Open minutes lie in SQLite, and what a request adds to them is committed together with its digest:
so neither a restart nor a request that is sent again changes what a minute comes to. A minute that
was sent stays for a day: what comes late is added, and the whole minute is sent again.
"""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec

from fedsight.errors import StoreError
from fedsight.journal.transaction import transaction
from fedsight.signals import Sample, SampleColumns, Series, batch
from fedsight.telemetry.bridge.rows import SignalJournal, keep_signals
from fedsight.telemetry.bridge.series import LONGEST_NAME
from fedsight.telemetry.bridge.work import Work

MINUTE = 60 * 10**9
#: Nanoseconds for which a minute that was sent is kept, and minutes that are kept at most.
KEPT_NS = 86_400 * 10**9
MOST_KEPT = 2_000_000
#: Digests of requests that are remembered.
REMEMBERED = 10_000
#: Minutes that are sent at a time.
TOGETHER = 2_000
FIGURES = ("mean", "min", "max", "count")
LONGEST_FIGURE = len("_minute_count")
NO_ROUND = -1
LARGEST = sys.float_info.max

SCHEMA = """
CREATE TABLE IF NOT EXISTS minute (
  series TEXT NOT NULL, minute INTEGER NOT NULL, round INTEGER NOT NULL,
  count INTEGER NOT NULL, sum REAL NOT NULL, low REAL NOT NULL, high REAL NOT NULL,
  due INTEGER NOT NULL, sent INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (series, minute, round)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS minute_due ON minute (sent, due);
CREATE TABLE IF NOT EXISTS forgotten (
  series TEXT PRIMARY KEY, upto INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS request (at INTEGER PRIMARY KEY, digest BLOB NOT NULL UNIQUE);
"""
ADD = """
INSERT INTO minute (series, minute, round, count, sum, low, high, due)
VALUES (?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT DO UPDATE SET count = count + excluded.count, sum = sum + excluded.sum,
  low = min(low, excluded.low), high = max(high, excluded.high),
  due = CASE sent WHEN 1 THEN excluded.due ELSE due END, sent = 0
"""
#: The newest minute of each series that was sent and is kept no more.
FORGET = """
INSERT INTO forgotten SELECT series, max(minute) FROM minute WHERE {which} GROUP BY series
ON CONFLICT DO UPDATE SET upto = max(upto, excluded.upto)
"""
GONE = """
SELECT 1 FROM forgotten WHERE series = ? AND upto >= ? AND NOT EXISTS
  (SELECT 1 FROM minute WHERE series = ? AND minute = ? AND round = ?)
"""
TOO_LATE = "its minute was sent more than a day ago"
DUE = """SELECT series, minute, round, count, sum, low, high FROM minute
WHERE sent = 0 AND due <= ? ORDER BY due LIMIT ?"""

_encode = msgspec.json.Encoder(order="sorted").encode
_series = msgspec.json.Decoder(Series).decode

Key = tuple[str, int, int]


class Minutes:
    """Minutes in the file `path`, sent by a journal; `lateness` (ns) after the end of each.

    Raises StoreError, naming the file, where it cannot be opened.
    """

    longest_name = LONGEST_NAME - LONGEST_FIGURE
    keeps = True

    def __init__(self, path: Path, signals: SignalJournal, lateness: int) -> None:
        self._path = path
        self._signals = signals
        self._lateness = lateness
        self._texts: dict[int, tuple[Series, str]] = {}
        self._forgot = 0
        with self._named("open"):
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=NORMAL")
            self._db.executescript(SCHEMA)

    def keep(self, works: Sequence[Work]) -> int:
        """Add what came to its minutes, each request once; its events and spans go on as they are.

        Raises StoreError and JournalError; then none of the samples were added.
        """
        now = self._clock(works)
        repeated = 0
        with self._transaction():
            for work in works:
                if len(work.samples) and not self._add(work, now):
                    repeated += 1
        return repeated + keep_signals(self._signals, works)

    def _clock(self, works: Sequence[Work]) -> int:
        return max((work.came for work in works), default=0)

    def _add(self, work: Work, now: int) -> bool:
        """Whether the request was new; for within a transaction."""
        insert = "INSERT OR IGNORE INTO request (digest) VALUES (?)"
        if not self._db.execute(insert, (work.digest(),)).rowcount:
            return False
        grouped = self._grouped(work.samples)
        for key in [key for key in grouped if key[1] < now - KEPT_NS and self._is_gone(key)]:
            work.rejected[TOO_LATE] += len(grouped.pop(key))
        rows = (
            (*key, len(values), _sum(values), min(values), max(values), self._due(key[1], now))
            for key, values in grouped.items()
        )
        self._db.executemany(ADD, rows)
        return True

    def _is_gone(self, key: Key) -> bool:
        """Whether the minute was sent and is forgotten: what comes now would be a part of it."""
        series, minute, _ = key
        return self._db.execute(GONE, (series, minute, *key)).fetchone() is not None

    def _due(self, minute: int, now: int) -> int:
        """A minute after ours, by a clock that is ahead of ours, is not waited for."""
        return min(max(minute + MINUTE, now), now + MINUTE) + self._lateness

    def _grouped(self, samples: SampleColumns) -> dict[Key, list[float]]:
        texts = [self._text(series) for series in samples.series]
        found: dict[Key, list[float]] = {}
        rows = zip(samples.index, samples.time, samples.value, samples.round, strict=True)
        for at, time, value, round_ in rows:
            key = texts[at], time - time % MINUTE, NO_ROUND if round_ is None else round_
            found.setdefault(key, []).append(value)
        return found

    def _text(self, series: Series) -> str:
        """The series as JSON, remembered: a producer's are the same objects each time."""
        said = self._texts.get(id(series))
        if said is None:
            if len(self._texts) >= REMEMBERED:
                self._texts.clear()
            said = self._texts[id(series)] = series, _encode(series).decode()
        return said[1]

    def tend(self, now: int) -> None:
        """Send what is due, forget what was sent long ago. Raises StoreError, JournalError.

        The journal comes first: after a death in between, the same is sent once more, and counts
        once.
        """
        self._signals.look()
        while not self._signals.full():
            with self._named("read"):
                due = self._db.execute(DUE, (now, TOGETHER)).fetchall()
            if not due:
                break
            self._signals.samples([_figures(due)])
            with self._transaction():
                self._db.executemany(
                    "UPDATE minute SET sent = 1 WHERE series = ? AND minute = ? AND round = ?",
                    [row[:3] for row in due],
                )
        if now - self._forgot >= MINUTE:
            self._forget(now)
            self._forgot = now

    def _forget(self, now: int) -> None:
        with self._transaction():
            self._drop("sent = 1 AND due < ?", now - KEPT_NS)
            newest = "SELECT max(at) FROM request"
            self._db.execute(f"DELETE FROM request WHERE at <= ({newest}) - {REMEMBERED}")
            held = self._db.execute("SELECT count(*) FROM minute WHERE sent = 1").fetchone()[0]
            if held > MOST_KEPT:
                oldest = "SELECT due FROM minute WHERE sent = 1 ORDER BY due LIMIT 1 OFFSET ?"
                self._drop(f"sent = 1 AND due <= ({oldest})", held - MOST_KEPT)

    def _drop(self, which: str, bound: int) -> None:
        """Forget these minutes, and remember that they were."""
        self._db.execute(FORGET.format(which=which), (bound,))
        self._db.execute(f"DELETE FROM minute WHERE {which}", (bound,))

    def full(self) -> bool:
        """Whether so much waits that more would push samples out."""
        return self._signals.full()

    def close(self) -> None:
        """Close the file; minutes that are open go on after the next start."""
        self._db.close()

    @contextmanager
    def _named(self, deed: str) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise StoreError(f"cannot {deed} the minutes {self._path}: {error}") from error

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._named("write"), transaction(self._db):
            yield


def _sum(values: list[float]) -> float:
    """A number even where the sum is beyond all numbers: two infinities would make none."""
    return max(-LARGEST, min(LARGEST, sum(values)))


def _figures(due: list[tuple[str, int, int, int, float, float, float]]) -> SampleColumns:
    samples: list[Sample] = []
    for text, minute, round_, count, total, low, high in due:
        series = _series(text)
        mean = min(max(total / count, low), high)
        for figure, value in zip(FIGURES, (mean, low, high, float(count)), strict=True):
            name = f"{series.name}_minute_{figure}"
            of_round = None if round_ == NO_ROUND else round_
            samples.append(Sample(minute, name, value, of_round, series.labels))
    return batch(samples).samples
