"""The rows of alerts in the store: found, written, listed, trimmed.

Whoever writes holds the store's writing connection, within a transaction that others share.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec
from msgspec.structs import asdict, replace

from fedsight.collector.alerts.alert import AlertRecord, json_of

FIELDS = AlertRecord.__struct_fields__
COLUMNS = ", ".join(FIELDS)
#: What is kept as JSON.
AS_JSON = ("labels", "evidence")
SOURCE = "alerts"


@dataclass(frozen=True, slots=True)
class AlertFilter:
    """Which alerts: `start` and `end` (ns) ask for those that were there at some time between."""

    state: str | None = None
    run: str | None = None
    type: str | None = None
    severity: str | None = None
    start: int | None = None
    end: int | None = None
    limit: int = 100
    offset: int = 0

    def where(self) -> tuple[str, dict[str, Any]]:
        """Its condition in SQL, with values."""
        parts = {
            name: f"{name} = :{name}"
            for name in ("state", "run", "type", "severity")
            if getattr(self, name) is not None
        }
        if self.start is not None:
            parts["start"] = "(resolved IS NULL OR resolved >= :start)"
        if self.end is not None:
            parts["end"] = "started < :end"
        values = {name: getattr(self, name) for name in (*parts, "limit", "offset")}
        return " AND ".join(parts.values()) or "1", values


def record_of(row: tuple[Any, ...]) -> AlertRecord:
    """A row's columns, in the order of FIELDS, as a record."""
    given = dict(zip(FIELDS, row, strict=True))
    for name in AS_JSON:
        given[name] = msgspec.json.decode(given[name])
    return AlertRecord(**given | {"notified": bool(given["notified"])})


def _values(record: AlertRecord) -> dict[str, Any]:
    given = asdict(record)
    for name in AS_JSON:
        given[name] = msgspec.json.encode(given[name]).decode()
    return given


def added(db: sqlite3.Connection, record: AlertRecord) -> AlertRecord:
    """Keep a new alert; the record with its id."""
    names = [name for name in FIELDS if name != "id"]
    row = db.execute(
        f"INSERT INTO alerts ({', '.join(names)}) VALUES ({', '.join(f':{n}' for n in names)})"
        " RETURNING id",
        _values(record),
    ).fetchone()
    return replace(record, id=int(row[0]))


def write(db: sqlite3.Connection, record: AlertRecord) -> None:
    """Write an alert that has changed."""
    changes = ", ".join(f"{name} = :{name}" for name in FIELDS if name != "id")
    db.execute(f"UPDATE alerts SET {changes} WHERE id = :id", _values(record))


def remove(db: sqlite3.Connection, record: AlertRecord) -> None:
    """Forget an alert that never fired."""
    db.execute("DELETE FROM alerts WHERE id = ?", (record.id,))


def tell(
    db: sqlite3.Connection, kind: str, record: AlertRecord, time: int, silence: int | None = None
) -> str:
    """Append the event that says how an alert changed; the alert's JSON in it."""
    details = json_of(record, silence)
    db.execute(
        "INSERT INTO events (time, source, kind, run, round, node, details)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        (time, SOURCE, kind, record.run, record.round, record.node, details),
    )
    return details


def _records(db: sqlite3.Connection, rest: str, values: Any = ()) -> Iterator[AlertRecord]:
    found = db.execute(f"SELECT {COLUMNS} FROM alerts {rest}", values)
    return (record_of(row) for row in found)


def active_of(db: sqlite3.Connection, key: str) -> AlertRecord | None:
    """The alert of a key that is not resolved."""
    return next(_records(db, "WHERE key = ? AND state != 'resolved'", (key,)), None)


def active(db: sqlite3.Connection) -> list[AlertRecord]:
    """All alerts that are not resolved, oldest first."""
    return list(_records(db, "WHERE state != 'resolved' ORDER BY id"))


def by_id(db: sqlite3.Connection, number: int) -> AlertRecord | None:
    """The alert of an id."""
    return next(_records(db, "WHERE id = ?", (number,)), None)


def page(db: sqlite3.Connection, which: AlertFilter) -> tuple[list[AlertRecord], int]:
    """Alerts, newest first, and how many match in all."""
    condition, values = which.where()
    rest = f"WHERE {condition} ORDER BY started DESC, id DESC LIMIT :limit OFFSET :offset"
    found = list(_records(db, rest, values))
    total = db.execute(f"SELECT count(*) FROM alerts WHERE {condition}", values).fetchone()[0]
    return found, int(total)


def told_to_others(db: sqlite3.Connection, resolved_after: int) -> list[AlertRecord]:
    """Alerts that somebody was told of: those that fire, and those that were resolved lately."""
    rest = (
        "WHERE notified AND (state = 'firing' OR state = 'resolved' AND resolved >= ?) ORDER BY id"
    )
    return list(_records(db, rest, (resolved_after,)))


def counted(db: sqlite3.Connection, state: str) -> int:
    """How many alerts are in a state."""
    return int(db.execute("SELECT count(*) FROM alerts WHERE state = ?", (state,)).fetchone()[0])


def counted_by_type(db: sqlite3.Connection, since: int) -> dict[str, tuple[int, int]]:
    """For each type how many alerts fired since then, and how many of them were acknowledged."""
    found = db.execute(
        "SELECT type, count(*), count(acknowledged_at) FROM alerts WHERE fired >= ? GROUP BY type",
        (since,),
    )
    return {kind: (int(fired), int(seen)) for kind, fired, seen in found}


def has_superfluous(db: sqlite3.Connection, keep: int, before: int) -> bool:
    """Whether `trim` would find something."""
    row = db.execute(
        "SELECT count(*), min(resolved) FROM alerts WHERE state = 'resolved'"
    ).fetchone()
    return int(row[0]) > keep or (row[1] is not None and int(row[1]) < before)


def trim(db: sqlite3.Connection, keep: int, before: int) -> None:
    """Forget resolved alerts beyond `keep`, and those that were resolved `before` (ns)."""
    db.execute("DELETE FROM alerts WHERE state = 'resolved' AND resolved < ?", (before,))
    db.execute(
        "DELETE FROM alerts WHERE state = 'resolved' AND id <= (SELECT id FROM alerts"
        " WHERE state = 'resolved' ORDER BY id DESC LIMIT 1 OFFSET ?)",
        (keep,),
    )
