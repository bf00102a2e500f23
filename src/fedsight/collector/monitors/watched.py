"""What the monitors make known of the services: their health, and the system at a glance. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from msgspec import Struct

from fedsight.collector.monitors.fl_answers import FlServerState
from fedsight.collector.monitors.network import NetworkState
from fedsight.collector.monitors.policy_answers import PolicyEngineState
from fedsight.collector.monitors.record import MonitorRecord
from fedsight.collector.reading.rows import (
    ComponentHealth,
    NetworkStatus,
    PolicyStatus,
    ServerStatus,
)
from fedsight.door.times import rfc3339

State = TypeVar("State", bound=Struct)

#: The services of a federation that `/health` names whether or not they were ever reached.
SERVICES = ("fl_server", "policy_engine", "sdn_controller")
AWAY = "away"
IDLE = "idle"
Records = Mapping[str, MonitorRecord]


def services_health(records: Records) -> dict[str, ComponentHealth]:
    """Each service: `unknown` where it was never reached or is not watched, which is no fault;
    `degraded` where it was and the last look failed. `latency_ms` is what the last look took."""
    return {name: _health(records.get(name)) for name in SERVICES}


def _health(record: MonitorRecord | None) -> ComponentHealth:
    if record is None or record.reached is None:
        return ComponentHealth("unknown", None)
    took = None if record.last_seconds is None else round(record.last_seconds * 1000, 3)
    if record.last_error is None:
        return ComponentHealth("healthy", took)
    return ComponentHealth("degraded", None, record.last_error)


def current(records: Records, name: str, kind: type[State]) -> State | None:
    """The newest state of a service that answered its last look."""
    record = records.get(name)
    if record is None or record.last_error is not None:
        return None
    return record.state if isinstance(record.state, kind) else None


def last_update(records: Records, name: str) -> str | None:
    """When a service was last reached."""
    record = records.get(name)
    return None if record is None or record.reached is None else rfc3339(record.reached)


def server_status(records: Records, newest: ServerStatus) -> ServerStatus:
    """The FL server: as it says itself, but for one that idles while a run goes on elsewhere. One
    that was never reached is as its newest run shows it; one that is gone is away, but for a run
    of which there is news since."""
    state = current(records, "fl_server", FlServerState)
    when = last_update(records, "fl_server")
    if state is None:
        # Both are RFC 3339 of one form, so that texts compare as times do.
        news = when is None or (newest.last_update is not None and newest.last_update > when)
        return newest if news else ServerStatus(AWAY, last_update=when)
    if state.status == IDLE and newest.status != "unknown":
        return newest
    return ServerStatus(state.status, state.current_round, state.active_clients, when)


def policy_status(records: Records) -> PolicyStatus:
    """The policy engine."""
    state = current(records, "policy_engine", PolicyEngineState)
    when = last_update(records, "policy_engine")
    if state is None:
        return PolicyStatus("unknown" if when is None else AWAY, last_update=when)
    return PolicyStatus(state.status, state.active_policies, state.events_per_minute, when)


def network_status(records: Records) -> NetworkStatus:
    """The SDN controller."""
    state = current(records, "sdn_controller", NetworkState)
    when = last_update(records, "sdn_controller")
    if state is None:
        return NetworkStatus("unknown" if when is None else AWAY, last_update=when)
    return NetworkStatus(state.status, state.devices, state.flows, when)
