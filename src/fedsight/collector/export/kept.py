"""The table of exports: what was asked for, and what became of it."""

from __future__ import annotations

import sqlite3
from typing import Any, Literal

import msgspec
from msgspec import Struct

from fedsight.collector.export.request import ExportRequest, Format
from fedsight.door.times import rfc3339

State = Literal["queued", "running", "done", "failed"]
COLUMNS = "id, state, request, created, ended, expires, attempts, rows, bytes, note, error"
#: An export that ended its collector so often is not begun again.
MOST_ATTEMPTS = 2
DOWNLOADS = "/api/v1/downloads/"


class Export(Struct, frozen=True):
    """One export. `progress` is 0 to 1; `file_size`, in bytes, and `rows` are None until it is
    done; `note` says what needs a word, `error` why it failed."""

    export_id: str
    state: State
    progress: float
    download_url: str
    file_size: int | None
    format: Format
    created: str
    expires_at: str
    rows: int | None
    note: str | None
    error: str | None
    request: ExportRequest


class Kept(Struct, frozen=True):
    """A row of the table; times in ns."""

    id: str
    state: State
    request: ExportRequest
    created: int
    ended: int | None
    expires: int
    attempts: int
    rows: int | None
    bytes: int | None
    note: str | None
    error: str | None

    def shown(self, progress: float) -> Export:
        """As it is answered."""
        return Export(
            self.id,
            self.state,
            1.0 if self.state == "done" else progress,
            DOWNLOADS + self.id,
            self.bytes,
            self.request.format,
            rfc3339(self.created),
            rfc3339(self.expires),
            self.rows,
            self.note,
            self.error,
            self.request,
        )


def _kept(row: tuple[Any, ...]) -> Kept:
    id_, state, text, *others = row
    return Kept(id_, state, msgspec.json.decode(text, type=ExportRequest), *others)


def add(db: sqlite3.Connection, id_: str, request: ExportRequest, now: int, expires: int) -> Kept:
    """Queue an export."""
    text = msgspec.json.encode(request).decode()
    db.execute(
        "INSERT INTO exports (id, state, request, created, expires) VALUES (?, 'queued', ?, ?, ?)",
        (id_, text, now, expires),
    )
    return Kept(id_, "queued", request, now, None, expires, 0, None, None, None, None)


def find(db: sqlite3.Connection, id_: str) -> Kept | None:
    """The export of this id, if there is one."""
    row = db.execute(f"SELECT {COLUMNS} FROM exports WHERE id = ?", (id_,)).fetchone()
    return None if row is None else _kept(row)


def newest(db: sqlite3.Connection, limit: int, offset: int) -> tuple[list[Kept], int]:
    """Exports, newest first, and how many there are in all."""
    query = f"SELECT {COLUMNS} FROM exports ORDER BY created DESC, id LIMIT ? OFFSET ?"
    found = [_kept(row) for row in db.execute(query, (limit, offset))]
    return found, int(db.execute("SELECT count(*) FROM exports").fetchone()[0])


def next_queued(db: sqlite3.Connection) -> Kept | None:
    """The export that has waited longest."""
    query = f"SELECT {COLUMNS} FROM exports WHERE state = 'queued' ORDER BY created, id LIMIT 1"
    row = db.execute(query).fetchone()
    return None if row is None else _kept(row)


def waiting(db: sqlite3.Connection) -> int:
    """How many are queued or under way."""
    query = "SELECT count(*) FROM exports WHERE state IN ('queued', 'running')"
    return int(db.execute(query).fetchone()[0])


def held_bytes(db: sqlite3.Connection) -> int:
    """What the finished files take up."""
    return int(db.execute("SELECT coalesce(sum(bytes), 0) FROM exports").fetchone()[0])


def begin(db: sqlite3.Connection, id_: str) -> None:
    """It is under way."""
    query = "UPDATE exports SET state = 'running', attempts = attempts + 1 WHERE id = ?"
    db.execute(query, (id_,))


def queue_again(db: sqlite3.Connection, id_: str) -> None:
    """It was broken off in good order: as if it had not begun."""
    query = "UPDATE exports SET state = 'queued', attempts = attempts - 1 WHERE id = ?"
    db.execute(query, (id_,))


def finish(
    db: sqlite3.Connection, id_: str, now: int, rows: int, size: int, note: str | None
) -> None:
    """Its file is there."""
    db.execute(
        "UPDATE exports SET state = 'done', ended = ?, rows = ?, bytes = ?, note = ? WHERE id = ?",
        (now, rows, size, note, id_),
    )


def fail(db: sqlite3.Connection, id_: str, now: int, why: str) -> None:
    """It came to nothing."""
    query = "UPDATE exports SET state = 'failed', ended = ?, error = ?, bytes = NULL WHERE id = ?"
    db.execute(query, (now, why, id_))


def remove(db: sqlite3.Connection, id_: str) -> None:
    """Forget it."""
    db.execute("DELETE FROM exports WHERE id = ?", (id_,))


def expired(db: sqlite3.Connection, now: int) -> list[str]:
    """The ids of those whose time is over and that are not under way."""
    query = "SELECT id FROM exports WHERE expires <= ? AND state <> 'running'"
    return [row[0] for row in db.execute(query, (now,))]


def recover(db: sqlite3.Connection, now: int, there: frozenset[str]) -> None:
    """After a start: what was under way is queued again, unless it ended the collector too often;
    what is done but has no file among `there` (ids) has failed."""
    query = "SELECT id, attempts FROM exports WHERE state = 'running'"
    for id_, attempts in db.execute(query).fetchall():
        if attempts >= MOST_ATTEMPTS:
            fail(db, id_, now, f"it was begun {attempts} times and came to no end")
        else:
            db.execute("UPDATE exports SET state = 'queued' WHERE id = ?", (id_,))
    done = db.execute("SELECT id FROM exports WHERE state = 'done'").fetchall()
    for (id_,) in done:
        if id_ not in there:
            fail(db, id_, now, "its file is gone")
