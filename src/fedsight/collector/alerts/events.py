"""Alerts that one event begins and another ends: whoever tells the events knows when it is over.

Nobody looks at such a thing in between, so these alerts do not end for that.
"""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Sequence
from typing import Any

import msgspec

from fedsight.collector.alerts.finding import Finding, Findings
from fedsight.collector.alerts.kinds import KINDS, RETRAIN_SUGGESTED
from fedsight.collector.store.prepare import Record
from fedsight.signals import Event

#: Kinds of events: the error of forecasts drifts, and no longer does (or a new model is served).
BEGUN, ENDED = "RETRAIN_SUGGESTED", "DRIFT_ENDED"

LAST = """
SELECT max(id), time, source, kind, run, round, node, details FROM events
WHERE run IS NULL AND kind IN (?, ?) GROUP BY source
"""
KNOWN = "SELECT EXISTS (SELECT 1 FROM alerts WHERE key = ? AND time >= ?)"


class EventRules:
    """Looks at every event that is committed."""

    def __init__(self, findings: Findings) -> None:
        self._findings = findings

    def tap(self, records: Sequence[Record]) -> None:
        """Report what a commit's events say, in the writing thread."""
        told = [found(entry.event) for record in records for entry in record.events]
        known = [one for one in told if one is not None]
        if known:
            self._findings.report(known)


def found(event: Event) -> Finding | None:
    """What an event says; None where it is of no rule."""
    if event.kind not in (BEGUN, ENDED):
        return None
    details = event.details
    return Finding(
        type=RETRAIN_SUGGESTED,
        severity=KINDS[RETRAIN_SUGGESTED].severity,
        message=str(details.get("message", "the error of forecasts drifts")),
        key=_key(event.source),
        time=event.time,
        active=event.kind == BEGUN,
        current_value=_figure(details.get("ratio")),
        threshold=_figure(details.get("threshold")),
        evidence={name: details[name] for name in ("version", "recent") if name in details},
    )


def remembered(store: sqlite3.Connection) -> list[Finding]:
    """What the last events say and no alert shows yet: a kill may have come between."""
    findings = []
    for _, time, source, kind, run, round_, node, details in store.execute(LAST, (BEGUN, ENDED)):
        if store.execute(KNOWN, (_key(source), time)).fetchone()[0]:
            continue
        body: dict[str, Any] = msgspec.json.decode(details)
        one = found(Event(time, source, kind, run, round_, node, body))
        findings += [] if one is None else [one]
    return findings


def _key(source: str) -> str:
    return f"{RETRAIN_SUGGESTED}/{source}"


def _figure(value: object) -> float | None:
    """A figure as it was told: what is no finite number is not known."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    number = float(value) if abs(value) < 1e300 else math.inf
    return number if math.isfinite(number) else None
