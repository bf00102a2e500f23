"""One transaction of SQLite: all of it, or nothing."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def transaction(db: sqlite3.Connection, *, reading: bool = False) -> Iterator[None]:
    """Writing begins at once; what is raised inside takes back what was written.

    With `reading` nobody is kept from writing, and all that is read is of one moment. The
    connection is in autocommit mode. Raises sqlite3.Error.
    """
    db.execute("BEGIN DEFERRED" if reading else "BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise
