"""What the live stream says: each event in the store, and what it means, as messages.

A cursor is made of an event's id, so that it outlives a restart: what an event means (a round or
a run has changed) has cursor `2 id`, the event itself `2 id + 1`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

import msgspec
from msgspec import Struct
from starlette.types import Message

from fedsight.collector.reading import queries
from fedsight.collector.reading.rows import EventRow, RoundRow
from fedsight.door.websockets import framed

Stream = Literal["fl_training", "network_performance", "policy_events", "system_events", "alerts"]
STREAM_OF_SOURCE: dict[str, Stream] = {
    "federated": "fl_training",
    "network": "network_performance",
    "policy": "policy_events",
    "alerts": "alerts",
}
#: What the types of alerts about the network begin with.
OF_NETWORK = "network_"
#: The state that a run has after an event that changes it.
STATE_AFTER = {
    "RUN_STARTED": "training",
    "RUN_CONTINUED": "training",
    "RUN_PAUSED": "paused",
    "RUN_RESUMED": "training",
}
#: Events read from the store at once, for live messages and for replay.
PAGE = 500


class RoundUpdate(Struct, frozen=True, tag_field="type", tag="fl_round_update"):
    """A round is over."""

    cursor: int
    run: str
    metrics: RoundRow


class RunUpdate(Struct, frozen=True, tag_field="type", tag="run_update"):
    """A run started, was paused, went on or ended."""

    cursor: int
    run: str
    state: str


class EventMessage(Struct, frozen=True, tag_field="type", tag="event"):
    """Something happened."""

    cursor: int
    event: EventRow


class PolicyEvent(Struct, frozen=True, tag_field="type", tag="policy_event"):
    """The policy engine said or did something."""

    cursor: int
    event: EventRow


class AlertChange(Struct, frozen=True, tag_field="type", tag="alert"):
    """An alert began, fired, was resolved or acknowledged; the alert as it is since then."""

    cursor: int
    alert: dict[str, Any]


class NetworkAlert(Struct, frozen=True, tag_field="type", tag="network_alert"):
    """As `AlertChange`, of an alert about the network."""

    cursor: int
    alert: dict[str, Any]


class Packet(NamedTuple):
    """One message, encoded and framed once for all who watch any of its streams."""

    cursor: int
    streams: tuple[Stream, ...]
    run: str | None
    message: Message


def cursor_of(event_id: int) -> int:
    """The cursor behind everything that this event gave."""
    return 2 * event_id + 1


def event_before(cursor: int) -> int:
    """The last event of which nothing is left to send after `cursor`."""
    return (cursor + 1) // 2 - 1


def packets_after(
    store: sqlite3.Connection, event_id: int, run: str | None = None
) -> tuple[list[Packet], int]:
    """What at most PAGE events after `event_id` mean, and the last of their ids.

    Of one run, or of all where `run` is None.
    """
    page = queries.events(store, run, queries.EventFilter(after=event_id, limit=PAGE))
    return [packet for event in page.events for packet in _packets(store, event)], page.last_id


def _packets(store: sqlite3.Connection, event: EventRow) -> Iterator[Packet]:
    change = _change(store, event)
    if change is not None:
        yield Packet(change.cursor, ("fl_training",), event.run, framed(encoded(change)))
    message, streams = _own(event)
    yield Packet(message.cursor, streams, event.run, framed(encoded(message)))


def _change(store: sqlite3.Connection, event: EventRow) -> RoundUpdate | RunUpdate | None:
    cursor = 2 * event.id
    if event.run is None:
        return None
    if event.kind in STATE_AFTER:
        return RunUpdate(cursor, event.run, STATE_AFTER[event.kind])
    if event.kind == "RUN_ENDED":
        return RunUpdate(cursor, event.run, str(event.details.get("state")))
    if event.kind in ("ROUND_COMPLETED", "ROUND_FAILED") and event.round is not None:
        found = queries.rounds(store, event.run, from_round=event.round, to_round=event.round)
        return RoundUpdate(cursor, event.run, found.rounds[0]) if found.rounds else None
    return None


def _own(
    event: EventRow,
) -> tuple[EventMessage | PolicyEvent | AlertChange | NetworkAlert, tuple[Stream, ...]]:
    """The event itself, as its source's messages are, and the streams that carry it."""
    cursor = cursor_of(event.id)
    stream = STREAM_OF_SOURCE.get(event.source, "system_events")
    if event.source == "policy":
        return PolicyEvent(cursor, event), (stream,)
    if event.source != "alerts":
        return EventMessage(cursor, event), (stream,)
    if str(event.details.get("type")).startswith(OF_NETWORK):
        return NetworkAlert(cursor, event.details), (stream, "network_performance")
    return AlertChange(cursor, event.details), (stream,)


def encoded(message: Struct) -> str:
    """A message as it is sent."""
    return msgspec.json.encode(message).decode()
