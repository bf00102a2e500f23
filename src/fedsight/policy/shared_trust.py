"""The trust of clients in a file of the data directory, which runs and the service share."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from fedsight.errors import FedsightError
from fedsight.journal.transaction import transaction
from fedsight.policy.trust import (
    MOST_CLIENTS,
    MOST_HISTORY,
    RESET,
    Cause,
    Change,
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
_SECONDS = 5.0
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


class SharedTrust:
    """What `TrustBook` is, in a file: each change is written at once, and what other processes
    wrote is in each answer. Safe to use from any thread.

    Raises FedsightError where the file cannot be read or written.
    """

    def __init__(self, path: Path, rule: TrustRule | None = None) -> None:
        self.rule = rule or TrustRule()
        self._path = path
        self._lock = threading.RLock()
        self._known: dict[str, Standing] = {}
        self._seen: int | None = None
        with self._named():
            path.parent.mkdir(parents=True, exist_ok=True)
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
            self._db = sqlite3.connect(
                path, _SECONDS, isolation_level=None, check_same_thread=False
            )
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
        with self._lock, suppress(sqlite3.Error):
            self._db.close()

    def score(self, client: str, now: int) -> float:
        """A client's score; that of knowing nothing where nothing is known."""
        with self._lock:
            self._look()
            known = self._known.get(client, Standing())
        return score(faded(known, now, self.rule), self.rule)

    def scores(self, now: int) -> dict[str, float]:
        """Everybody's score."""
        with self._lock:
            self._look()
            known = dict(self._known)
        return {
            client: score(faded(one, now, self.rule), self.rule) for client, one in known.items()
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
            found = self._db.execute(query, (client, MOST_HISTORY)).fetchall()
        return [Change(*row) for row in reversed(found)]

    @contextmanager
    def together(self) -> Iterator[None]:
        """All changes within are written at once, or none of them."""
        with self._lock:
            if self._db.in_transaction:
                yield
                return
            try:
                with self._named(), transaction(self._db):
                    self._look()
                    yield
            except BaseException:
                self._seen = None
                raise

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

        def made(known: Standing) -> tuple[Standing, Change]:
            return noted(
                known, self.rule, client, cause, now, share=share, run=run, round=round, note=note
            )

        return self._changed(client, now, made)

    def reset(self, client: str, note: str, now: int) -> Change:
        """Forget all evidence of a client, for whoever was allowed to (`resetting`)."""

        def made(known: Standing) -> tuple[Standing, Change]:
            before = score(faded(known, now, self.rule), self.rule)
            change = Change(now, client, RESET, before, self.rule.initial, 0.0, note=note)
            return Standing(time=now), change

        return self._changed(client, now, made)

    def _changed(
        self, client: str, now: int, made: Callable[[Standing], tuple[Standing, Change]]
    ) -> Change:
        with self.together():
            standing, change = made(self._known.get(client, Standing(time=now)))
            self._keep(client, standing, change)
        return change

    def _keep(self, client: str, standing: Standing, change: Change) -> None:
        number = self._db.execute(
            "INSERT INTO change (time, client, cause, before, after, weight, run, round, note)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            _row(change),
        ).lastrowid
        (changes,) = self._db.execute(
            "INSERT INTO standing VALUES (?, ?, ?, ?, 1, ?) ON CONFLICT (client) DO UPDATE SET"
            " good = excluded.good, bad = excluded.bad, time = excluded.time,"
            " changes = changes + 1, heard = excluded.heard RETURNING changes",
            (client, standing.good, standing.bad, standing.time, number),
        ).fetchone()
        self._known[client] = standing
        if changes % _PRUNED_EVERY == 0:
            self._db.execute(
                "DELETE FROM change WHERE client = ? AND number <= (SELECT number FROM change"
                " WHERE client = ? ORDER BY number DESC LIMIT 1 OFFSET ?)",
                (client, client, MOST_HISTORY),
            )
        if len(self._known) > MOST_CLIENTS:
            self._forget()

    def _forget(self) -> None:
        """Forget the client of which nothing was heard longest."""
        (client,) = self._db.execute(
            "DELETE FROM standing WHERE heard = (SELECT min(heard) FROM standing) RETURNING client"
        ).fetchone()
        self._db.execute("DELETE FROM change WHERE client = ?", (client,))
        del self._known[client]

    def _look(self) -> None:
        """Read all standings where another connection changed them."""
        with self._named():
            (seen,) = self._db.execute("PRAGMA data_version").fetchone()
            if seen == self._seen:
                return
            rows = self._db.execute("SELECT client, good, bad, time FROM standing").fetchall()
        self._known = {client: Standing(*row) for client, *row in rows}
        self._seen = seen

    @contextmanager
    def _named(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise FedsightError(
                f"the trust of clients in {self._path} cannot be read or written: {error};"
                " move it away to begin anew"
            ) from error


def _row(change: Change) -> Sequence[object]:
    return tuple(getattr(change, name) for name in change.__struct_fields__)
