"""Clients whose updates are suspected: what a run journals of them, as findings.

An event says when suspicion begins and ends; the scores in between keep the alert alive.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any

from fedsight.collector.alerts.finding import Finding
from fedsight.collector.alerts.kinds import KINDS
from fedsight.signals import Event, Json

TYPE = "update_suspected"
SUSPECTED, CLEARED, ENDED = "UPDATE_SUSPECTED", "UPDATE_CLEARED", "RUN_ENDED"
SCORE = "fl_client_update_score"
#: Clients that are suspected at once, of all runs; beyond, the oldest are told no more.
MOST = 10_000


@dataclass(frozen=True, slots=True)
class _Suspect:
    message: str
    threshold: float | None
    evidence: dict[str, Json]


class Suspects:
    """Remembers who is suspected in which run."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], _Suspect] = {}

    def told(self, event: Event) -> list[Finding]:
        """What an event of a run means."""
        if event.run is None:
            return []
        if event.kind == ENDED:
            for run, node in [one for one in self._known if one[0] == event.run]:
                del self._known[run, node]
            return []
        if event.node is None:
            return []
        key, score = (event.run, event.node), _number(event.details.get("score"))
        if event.kind == CLEARED:
            known = self._known.pop(key, None) or _suspect(event)
            return [_finding(key, known, score, event.time, event.round, active=False)]
        known = self._known[key] = _suspect(event)
        if len(self._known) > MOST:
            del self._known[next(iter(self._known))]
        return [_finding(key, known, score, event.time, event.round, active=True)]

    def scored(
        self, run: str, node: str, score: float, time: int, round: int | None
    ) -> list[Finding]:
        """A suspect's score of another round."""
        known = self._known.get((run, node))
        if known is None:
            return []
        return [_finding((run, node), known, score, time, round, active=True)]


def alert_key(run: str, node: str) -> str:
    """The key of a client's alert."""
    return f"{TYPE}/{run}/{node}"


def _suspect(event: Event) -> _Suspect:
    details = event.details
    method = str(details.get("method", "unknown"))
    found = details.get("evidence")
    evidence: dict[str, Any] = dict(found) if isinstance(found, dict) else {}
    message = f"updates of {event.node} are unlike the other clients', by their {method}"
    return _Suspect(message, _number(details.get("threshold")), {"method": method, **evidence})


def _finding(
    key: tuple[str, str],
    known: _Suspect,
    score: float | None,
    time: int,
    round: int | None,
    *,
    active: bool,
) -> Finding:
    run, node = key
    return Finding(
        type=TYPE,
        severity=KINDS[TYPE].severity,
        message=known.message,
        key=alert_key(run, node),
        time=time,
        active=active,
        current_value=score,
        threshold=known.threshold,
        run=run,
        round=round,
        node=node,
        labels={"run": run, "node": node},
        evidence=known.evidence,
    )


def _number(value: object) -> float | None:
    """A score as a run told it: what is no finite number is not known."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if abs(value) <= sys.float_info.max else None
