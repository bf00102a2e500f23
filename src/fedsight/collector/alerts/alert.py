"""An alert: as it is kept, and as it is told."""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from msgspec import Struct

from fedsight.collector.alerts.finding import Severity
from fedsight.door.times import rfc3339, rfc3339_or_none

AlertState = Literal["pending", "firing", "resolved"]


class Acknowledgement(Struct, frozen=True):
    """Who has seen an alert, when, and what they said."""

    by: str
    at: str
    comment: str


class Alert(Struct, frozen=True):
    """An alert as it is answered, streamed and sent; times are RFC 3339 UTC.

    `timestamp` is the time of the last sample that was found wrong, `started` of the first; `fired`
    is None while it is pending. `count` is how often it was found. `silence` is the id of the
    silence that holds its notifications back now.
    """

    id: int
    type: str
    severity: Severity
    state: AlertState
    message: str
    current_value: float | None
    expected_range: tuple[float, float] | None
    threshold: float | None
    baseline: float | None
    timestamp: str
    started: str
    fired: str | None
    resolved: str | None
    run: str | None
    round: int | None
    node: str | None
    labels: dict[str, str]
    evidence: dict[str, Any]
    count: int
    acknowledged: Acknowledgement | None
    silence: int | None


class AlertRecord(Struct, frozen=True):
    """An alert as its row holds it; times are Unix nanoseconds.

    `time` is that of the last sample found wrong; `seen` is when (on our clock) somebody last
    looked; `cleared` is the first time that it was found right since it was last found wrong;
    `notified` says whether anybody was told that it fires.
    """

    id: int
    key: str
    type: str
    severity: Severity
    state: AlertState
    message: str
    current_value: float | None
    expected_low: float | None
    expected_high: float | None
    threshold: float | None
    baseline: float | None
    time: int
    seen: int
    started: int
    fired: int | None
    cleared: int | None
    resolved: int | None
    run: str | None
    round: int | None
    node: str | None
    labels: dict[str, str]
    evidence: dict[str, Any]
    count: int
    notified: bool
    acknowledged_by: str | None
    acknowledged_at: int | None
    acknowledged_comment: str | None

    def told(self, silence: int | None = None) -> Alert:
        """As it is told to others."""
        low, high = self.expected_low, self.expected_high
        return Alert(
            id=self.id,
            type=self.type,
            severity=self.severity,
            state=self.state,
            message=self.message,
            current_value=self.current_value,
            expected_range=None if low is None or high is None else (low, high),
            threshold=self.threshold,
            baseline=self.baseline,
            timestamp=rfc3339(self.time),
            started=rfc3339(self.started),
            fired=rfc3339_or_none(self.fired),
            resolved=rfc3339_or_none(self.resolved),
            run=self.run,
            round=self.round,
            node=self.node,
            labels=self.labels,
            evidence=self.evidence,
            count=self.count,
            acknowledged=self._acknowledged(),
            silence=silence,
        )

    def _acknowledged(self) -> Acknowledgement | None:
        if self.acknowledged_at is None:
            return None
        who, what = self.acknowledged_by or "", self.acknowledged_comment or ""
        return Acknowledgement(who, rfc3339(self.acknowledged_at), what)

    @property
    def matched(self) -> dict[str, str]:
        """The labels that a silence's matchers look at, those of the finding first."""
        places = {"type": self.type, "severity": self.severity, "run": self.run, "node": self.node}
        return {**self.labels, **{name: text for name, text in places.items() if text is not None}}


def json_of(record: AlertRecord, silence: int | None = None) -> str:
    """An alert as the JSON of an event's details."""
    return msgspec.json.encode(record.told(silence)).decode()
