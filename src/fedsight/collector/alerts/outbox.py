"""What is still to be sent to webhooks, in the store: a crash sends it late rather than never."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import NamedTuple

#: Messages that wait for one target at most; the oldest go first.
MOST = 1000


class Message(NamedTuple):
    """One message for one target; `alert` is JSON, times are Unix nanoseconds."""

    id: int
    event: str
    alert: str
    created: int
    attempts: int
    due: int


def put(db: sqlite3.Connection, targets: Sequence[str], event: str, alert: str, now: int) -> None:
    """Queue a message for each target, within the transaction that changed the alert."""
    for target in targets:
        db.execute(
            "INSERT INTO alert_outbox (target, event, alert, created, due) VALUES (?, ?, ?, ?, ?)",
            (target, event, alert, now, now),
        )
        db.execute(
            "DELETE FROM alert_outbox WHERE target = ? AND id <= (SELECT id FROM alert_outbox"
            " WHERE target = ? ORDER BY id DESC LIMIT 1 OFFSET ?)",
            (target, target, MOST),
        )


def first_of(db: sqlite3.Connection, target: str) -> Message | None:
    """The oldest message that waits for a target: messages are sent in order."""
    row = db.execute(
        "SELECT id, event, alert, created, attempts, due FROM alert_outbox WHERE target = ?"
        " ORDER BY id LIMIT 1",
        (target,),
    ).fetchone()
    return None if row is None else Message(*row)


def sent(db: sqlite3.Connection, number: int) -> None:
    """Forget a message that arrived, or that was given up."""
    db.execute("DELETE FROM alert_outbox WHERE id = ?", (number,))


def postponed(db: sqlite3.Connection, message: Message, due: int) -> None:
    """Note that a message did not arrive, and when to try again."""
    db.execute(
        "UPDATE alert_outbox SET attempts = ?, due = ? WHERE id = ?",
        (message.attempts + 1, due, message.id),
    )


def waiting(db: sqlite3.Connection) -> int:
    """How many messages wait, for all targets."""
    return int(db.execute("SELECT count(*) FROM alert_outbox").fetchone()[0])


def forget_others(db: sqlite3.Connection, targets: Sequence[str]) -> None:
    """Forget what waits for targets that are none any more."""
    marks = ", ".join("?" * len(targets))
    db.execute(f"DELETE FROM alert_outbox WHERE target NOT IN ({marks})", list(targets))
