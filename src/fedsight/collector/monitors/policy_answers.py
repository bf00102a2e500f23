"""What a policy engine answers, as signals and as a state. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from msgspec import Struct

from fedsight.collector.monitors import foreign
from fedsight.collector.monitors.fl_answers import round_of
from fedsight.collector.store.prepare import RUN_KINDS
from fedsight.signals import Event

SOURCE = "policy"
#: Events a minute are counted over so long, and not before a minute was watched.
WINDOW_NS = 300 * 1_000_000_000
MINUTE_NS = 60 * 1_000_000_000

Row = Mapping[str, Any]


class PolicyEngineState(Struct, frozen=True):
    """A policy engine at a glance; what it does not say is None."""

    status: str
    active_policies: int | None = None
    events_per_minute: float | None = None


def active_policies(answer: Any) -> int | None:
    """How many policies are in force: all that are not switched off."""
    found = foreign.rows(answer, "policies")
    if found is None:
        return foreign.whole(foreign.field(answer, "active_policies"))
    return sum(_is_active(each) for each in found)


def _is_active(policy: Row) -> bool:
    said = (foreign.flag(policy.get("active")), foreign.flag(policy.get("enabled")))
    return False not in said


def event_of(row: Row, received: int) -> Event | None:
    """One event of the engine; None where it names no kind."""
    kind = foreign.name(row.get("event_type"))
    if kind is None:
        return None
    told = foreign.details(row.get("details"))
    return _event(row, kind, told, received)


def decision_of(row: Row, received: int) -> Event | None:
    """One decision as a POLICY_DECISION; None where it does not say whether it allowed."""
    allowed = foreign.flag(row.get("allowed"))
    if allowed is None:
        return None
    told = {
        "decision_id": foreign.whole(row.get("decision_id")),
        "policy_type": foreign.text(row.get("policy_type")),
        "allowed": allowed,
        "reason": foreign.text(row.get("reason"), 1000),
        "violations": row.get("violations"),
        "rules": row.get("rules"),
    }
    known = {key: value for key, value in told.items() if value is not None}
    return _event(row, "POLICY_DECISION", foreign.details(known), received)


def _event(row: Row, kind: str, told: dict[str, Any], received: int) -> Event:
    time = foreign.moment(row.get("timestamp")) or received
    node = foreign.text(row.get("client_id")) or foreign.text(told.get("client_id"))
    run = foreign.text(row.get("run"))
    # A run's own story comes from its journal: what the engine says of it is another's word.
    kind = f"POLICY_{kind}" if kind in RUN_KINDS else kind
    return Event(time, SOURCE, kind, run, round_of(row, told), node, told)


def per_minute(times: Iterable[int], watched_since: int, now: int) -> float | None:
    """Events a minute over the last WINDOW_NS, or since `watched_since` where that is less.

    None before a minute was watched. Times in Unix nanoseconds.
    """
    begin = max(now - WINDOW_NS, watched_since)
    if now - begin < MINUTE_NS:
        return None
    return sum(begin <= time <= now for time in times) / ((now - begin) / MINUTE_NS)
