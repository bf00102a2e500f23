"""How findings move an alert from pending to firing to resolved. Pure: no clock, no disk.

As Prometheus does it: https://prometheus.io/docs/prometheus/latest/configuration/alerting_rules/
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
from msgspec.structs import replace

from fedsight.collector.alerts.alert import AlertRecord
from fedsight.collector.alerts.finding import Finding

SECOND = 10**9
#: What of a finding is kept at most: characters of its message, bytes of its evidence as JSON.
MESSAGE_CHARACTERS = 1000
EVIDENCE_BYTES = 16 * 1024


@dataclass(frozen=True, slots=True)
class Holding:
    """How long, and how often, something must be found wrong before its alert fires, and for how
    long it must be found right before the alert is resolved."""

    seconds: float = 0.0
    count: int = 1
    clear_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Holdings:
    """The holding of each type of alert, and of all the others."""

    of_type: Mapping[str, Holding] = field(default_factory=dict)
    others: Holding = Holding()

    def of(self, kind: str) -> Holding:
        """The holding of a type."""
        return self.of_type.get(kind, self.others)


def followed(
    record: AlertRecord | None, finding: Finding, holding: Holding, seen: int
) -> AlertRecord | None:
    """What an alert is after a finding at `seen` (our clock); None where there is none, or none
    any more: what was pending and is right again has never fired.

    A new alert has id 0. A finding older than the last one is late: it counts, and changes nothing
    else; but for one whose last one lies ahead of our clock, as after a clock that was wrong.
    """
    if record is None:
        return fired(begun(finding, seen), holding) if finding.active else None
    if finding.time < record.time <= seen:
        late = 1 if finding.active else 0
        return replace(record, count=record.count + late, seen=seen)
    if finding.active:
        return fired(_again(record, finding, seen), holding)
    if record.state == "pending":
        return None
    cleared = finding.time if record.cleared is None else record.cleared
    right_again = replace(record, cleared=cleared, seen=seen)
    if finding.time - cleared < holding.clear_seconds * SECOND:
        return right_again
    return resolved(right_again, finding.time)


def begun(finding: Finding, seen: int) -> AlertRecord:
    """A new alert."""
    low, high = finding.expected_range or (None, None)
    return AlertRecord(
        id=0,
        key=finding.key,
        type=finding.type,
        severity=finding.severity,
        state="pending",
        message=finding.message[:MESSAGE_CHARACTERS],
        current_value=finding.current_value,
        expected_low=low,
        expected_high=high,
        threshold=finding.threshold,
        baseline=finding.baseline,
        time=finding.time,
        seen=seen,
        started=finding.time,
        fired=None,
        cleared=None,
        resolved=None,
        run=finding.run,
        round=finding.round,
        node=finding.node,
        labels=dict(finding.labels),
        evidence=bounded(finding.evidence),
        count=1,
        notified=False,
        acknowledged_by=None,
        acknowledged_at=None,
        acknowledged_comment=None,
    )


def _again(record: AlertRecord, finding: Finding, seen: int) -> AlertRecord:
    """The alert with the figures of its latest finding."""
    latest = begun(finding, seen)
    return replace(
        latest,
        id=record.id,
        state=record.state,
        started=min(record.started, latest.started),
        fired=record.fired,
        count=record.count + 1,
        notified=record.notified,
        acknowledged_by=record.acknowledged_by,
        acknowledged_at=record.acknowledged_at,
        acknowledged_comment=record.acknowledged_comment,
    )


def fired(record: AlertRecord, holding: Holding) -> AlertRecord:
    """The alert, firing where it was found long and often enough."""
    held = record.time - record.started >= holding.seconds * SECOND
    if record.state != "pending" or not held or record.count < holding.count:
        return record
    return replace(record, state="firing", fired=record.time)


def resolved(record: AlertRecord, time: int, because: str | None = None) -> AlertRecord:
    """The alert, over; `because` says why where nobody found it right."""
    end = max(time, record.fired or record.started)
    evidence = record.evidence if because is None else {**record.evidence, "resolved_by": because}
    return replace(record, state="resolved", resolved=end, evidence=evidence)


def bounded(evidence: Mapping[str, Any]) -> dict[str, Any]:
    """Evidence as JSON holds it, or how large it was where that is too much."""
    encoded = msgspec.json.encode(dict(evidence))
    if len(encoded) > EVIDENCE_BYTES:
        return {"too_large_bytes": len(encoded)}
    kept: dict[str, Any] = msgspec.json.decode(encoded)
    return kept
