"""The trust of clients in a file of the data directory, which runs and the service share."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from fedsight.errors import FedsightError
from fedsight.journal.transaction import transaction
from fedsight.policy.trust import (
    MOST_CLIENTS,
    MOST_HISTORY,
    RESET,
    Cause,
    Change,
    Evidence,
    Standing,
    TrustRule,
    faded,
    noted,
    score,
)

TRUST = "trust.sqlite3"
_VERSION = 1
#: Old changes of a client are removed once in so many.
_PRUNED_EVERY = 100
#: So long is waited for others that write, or begin or end to use the file.
_SECONDS, _READ_SECONDS = 5.0, 0.5
_SCHEMA = """
CREATE TABLE IF NOT EXISTS standing (
    client TEXT PRIMARY KEY, good REAL NOT NULL, bad REAL NOT NULL, time INTEGER NOT NULL,
    changes INTEGER NOT NULL, heard INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS by_heard ON standing (heard);
CREATE TABLE IF NOT EXISTS change (
    number INTEGER PRIMARY KEY, time INTEGER NOT NULL, client TEXT NOT NULL, cause TEXT NOT NULL,
    before REAL NOT NULL, after REAL NOT NULL, weight REAL NOT NULL,
    run TEXT, round INTEGER, note TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS by_client ON change (client, number);
"""

_INSERT = (
    "INSERT INTO change (time, client, cause, before, after, weight, run, round, note)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_SEEN = "PRAGMA data_version"
#: Each by itself, so that both are looked up rather than looked for.
_ENDS = (
    "SELECT coalesce((SELECT min(heard) FROM standing), 0),"
    " coalesce((SELECT max(heard) FROM standing), 0)"
)
_SINCE = "SELECT client, good, bad, time, heard FROM standing WHERE heard > ? ORDER BY heard"


class _Known(NamedTuple):
    """A client's standing, and the number of the change that made it."""

    heard: int
    standing: Standing


class SharedTrust:
    """What `TrustBook` is, in a file: each change is written at once, and what other processes
    wrote is in each answer. Safe to use from any thread: who reads waits for nobody that writes.

    Each change has a higher number than all before, which its client's row keeps: what others wrote
    is read from there on, and whom they forgot is told by the lowest number that is left. Raises
    FedsightError where the file cannot be read or written.
    """

    def __init__(self, path: Path, rule: TrustRule | None = None) -> None:
        self.rule = rule or TrustRule()
        self._path = path
        self._lock = threading.Lock()
        self._writing = threading.RLock()
        #: In the order of their numbers.
        self._known: dict[str, _Known] = {}
        self._last = self._new = 0
        self._before: int | None = None
        self._seen: int | None = None
        with self._named():
            path.parent.mkdir(parents=True, exist_ok=True)
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
            self._db, self._reading = _opened(path, _SECONDS), _opened(path, _READ_SECONDS)
            self._prepare()

    def _prepare(self) -> None:
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        (version,) = self._db.execute("PRAGMA user_version").fetchone()
        if version not in (0, _VERSION):
            raise sqlite3.DatabaseError(f"its version is {version}, not {_VERSION}")
        if version == 0:
            self._db.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} PRAGMA user_version=1; COMMIT;")

    def close(self) -> None:
        """Let go of the file."""
        with self._writing, self._lock, suppress(sqlite3.Error):
            self._reading.close()
            self._db.close()

    def score(self, client: str, now: int) -> float:
        """A client's score; that of knowing nothing where nothing is known."""
        found = self.known(client, now)
        return score(Standing(), self.rule) if found is None else found

    def known(self, client: str, now: int) -> float | None:
        """A client's score, None where nothing is known of it."""
        with self._lock:
            self._look()
            found = self._known.get(client)
        return None if found is None else score(faded(found.standing, now, self.rule), self.rule)

    def scores_of(self, clients: Sequence[str], now: int) -> list[float]:
        """See `Book`."""
        with self._lock:
            self._look()
            found = [self._known.get(client) for client in clients]
        return [
            score(Standing() if one is None else faded(one.standing, now, self.rule), self.rule)
            for one in found
        ]

    def scores(self, now: int) -> dict[str, float]:
        """Everybody's score."""
        with self._lock:
            self._look()
            known = list(self._known.items())
        return {
            client: score(faded(one.standing, now, self.rule), self.rule) for client, one in known
        }

    def knows(self, client: str) -> bool:
        """Whether there is anything about a client."""
        with self._lock:
            self._look()
            return client in self._known

    def history(self, client: str) -> list[Change]:
        """The last changes of a client, oldest first."""
        query = (
            "SELECT time, client, cause, before, after, weight, run, round, note FROM change"
            " WHERE client = ? ORDER BY number DESC LIMIT ?"
        )
        with self._lock, self._named():
            found = self._reading.execute(query, (client, MOST_HISTORY)).fetchall()
        return [Change(*row) for row in reversed(found)]

    @contextmanager
    def together(self) -> Iterator[None]:
        """All changes within are written at once, or none of them."""
        with self._writing:
            if self._db.in_transaction:
                yield
                return
            self._new, self._before = 0, None
            with self._named(), transaction(self._db):
                yield

    def note(
        self,
        client: str,
        cause: Cause,
        now: int,
        *,
        share: float = 1.0,
        run: str | None = None,
        round: int | None = None,
        note: str = "",
    ) -> Change:
        """See `TrustBook.note`."""

        def made(known: Standing) -> tuple[Standing, list[Change]]:
            after, change = noted(
                known, self.rule, client, cause, now, share=share, run=run, round=round, note=note
            )
            return after, [change]

        return self._changed(client, now, made)[0]

    def note_all(
        self,
        client: str,
        evidence: Sequence[Evidence],
        now: int,
        *,
        run: str | None = None,
        round: int | None = None,
    ) -> list[Change]:
        """See `Book`."""

        def made(known: Standing) -> tuple[Standing, list[Change]]:
            changes = []
            for cause, note in evidence:
                known, change = noted(
                    known, self.rule, client, cause, now, share=1.0, run=run, round=round, note=note
                )
                changes.append(change)
            return known, changes

        return self._changed(client, now, made) if evidence else []

    def reset(self, client: str, note: str, now: int) -> Change:
        """Forget all evidence of a client, for whoever was allowed to (`resetting`)."""

        def made(known: Standing) -> tuple[Standing, list[Change]]:
            before = score(faded(known, now, self.rule), self.rule)
            change = Change(now, client, RESET, before, self.rule.initial, 0.0, note=note)
            return Standing(time=now), [change]

        return self._changed(client, now, made)[0]

    def _changed(
        self, client: str, now: int, made: Callable[[Standing], tuple[Standing, list[Change]]]
    ) -> list[Change]:
        with self.together():
            query = "SELECT good, bad, time FROM standing WHERE client = ?"
            row = self._db.execute(query, (client,)).fetchone()
            standing, changes = made(Standing(*row) if row else Standing(time=now))
            self._keep(client, standing, changes)
        return changes

    def _keep(self, client: str, standing: Standing, new: Sequence[Change]) -> None:
        number, count = 0, len(new)
        for change in new:
            number = self._db.execute(_INSERT, _row(change)).lastrowid or 0
        (changes,) = self._db.execute(
            "INSERT INTO standing VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (client) DO UPDATE SET"
            " good = excluded.good, bad = excluded.bad, time = excluded.time,"
            " changes = changes + excluded.changes, heard = excluded.heard RETURNING changes",
            (client, standing.good, standing.bad, standing.time, count, number),
        ).fetchone()
        if changes % _PRUNED_EVERY < count:
            self._db.execute(
                "DELETE FROM change WHERE client = ? AND number <= (SELECT number FROM change"
                " WHERE client = ? ORDER BY number DESC LIMIT 1 OFFSET ?)",
                (client, client, MOST_HISTORY),
            )
        if changes == count:  # it was not known
            self._new += 1
            if self._count_before() + self._new > MOST_CLIENTS:
                self._forget()

    def _count_before(self) -> int:
        """How many clients were known as this transaction began."""
        if self._before is None:
            with self._lock:
                self._look()
                self._before = len(self._known)
        return self._before

    def _forget(self) -> None:
        """Forget the client of which nothing was heard longest."""
        (client,) = self._db.execute(
            "DELETE FROM standing WHERE heard = (SELECT min(heard) FROM standing) RETURNING client"
        ).fetchone()
        self._db.execute("DELETE FROM change WHERE client = ?", (client,))
        self._new -= 1

    def _look(self) -> None:
        """Read what was changed since, where there is anything."""
        with self._named():
            (seen,) = self._reading.execute(_SEEN).fetchone()
            if seen == self._seen:
                return
            with transaction(self._reading, reading=True):
                first, last = self._reading.execute(_ENDS).fetchone()
                (seen,) = self._reading.execute(_SEEN).fetchone()
                begin = self._begin(first, last)
                rows = self._reading.execute(_SINCE, (begin,)).fetchall()
        if begin == 0:
            self._known = {}
        self._take(rows, first)
        self._last, self._seen = last, seen

    def _begin(self, first: int, last: int) -> int:
        """After which number there is something new. Where something changed that has no new one,
        somebody edited the file by hand: then all of it is read."""
        went = last == self._last and first > self._first
        return self._last if last > self._last or went else 0

    @property
    def _first(self) -> int:
        """The lowest number that is known."""
        return next(iter(self._known.values())).heard if self._known else 0

    def _take(self, rows: Sequence[tuple[str, float, float, int, int]], first: int) -> None:
        """Take in rows; whoever was heard before `first` was forgotten."""
        for client, good, bad, time, heard in rows:
            self._known.pop(client, None)
            self._known[client] = _Known(heard, Standing(good, bad, time))
        while self._known and self._first < first:
            del self._known[next(iter(self._known))]

    @contextmanager
    def _named(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise FedsightError(
                f"the trust of clients in {self._path} cannot be read or written: {error};"
                " move it away to begin anew"
            ) from error


def _opened(path: Path, seconds: float) -> sqlite3.Connection:
    return sqlite3.connect(path, seconds, isolation_level=None, check_same_thread=False)


def _row(change: Change) -> Sequence[object]:
    return tuple(getattr(change, name) for name in change.__struct_fields__)
