"""What the store remembers of suspicions: a run tells one once, and a restart must not lose it."""

from __future__ import annotations

import sqlite3
from typing import NamedTuple

import msgspec

from fedsight.collector.anomalies.suspects import CLEARED, SUSPECTED, alert_key
from fedsight.signals import Event

#: At most so many, the latest told.
MOST = 10_000

QUERY = """
SELECT max(events.id), events.time, source, kind, events.run, events.round, node, details
FROM runs JOIN events ON events.run = runs.id
WHERE runs.state IN ('training', 'paused') AND kind IN (?, ?) AND node IS NOT NULL
GROUP BY events.run, node ORDER BY 1 DESC LIMIT ?
"""


class Suspicion(NamedTuple):
    """An event that tells a suspicion which still stands; `known`: it has become an alert."""

    event: Event
    known: bool


def suspicions(store: sqlite3.Connection) -> list[Suspicion]:
    """The suspicions of runs that go on which were not cleared since, oldest first."""
    found = []
    for _, time, source, kind, run, round_, node, details in store.execute(
        QUERY, (SUSPECTED, CLEARED, MOST)
    ):
        if kind == SUSPECTED:
            event = Event(time, source, kind, run, round_, node, msgspec.json.decode(details))
            found.append(Suspicion(event, _is_known(store, event)))
    return found[::-1]


def _is_known(store: sqlite3.Connection, event: Event) -> bool:
    query = "SELECT EXISTS (SELECT 1 FROM alerts WHERE key = ? AND run = ? AND time >= ?)"
    key = alert_key(event.run or "", event.node or "")
    return bool(store.execute(query, (key, event.run, event.time)).fetchone()[0])
