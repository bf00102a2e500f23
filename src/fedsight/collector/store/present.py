"""What a run is doing at this moment, as its events say: it waits, it is stalled, it is paused.

Each stands in a column of the run until an event takes it away. Pure.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from fedsight.door.times import rfc3339
from fedsight.signals import Event, Text

Seconds = Annotated[float, Meta(ge=0, le=1e9)]


class RoundWaiting(Struct, frozen=True):
    """The details of a ROUND_WAITING event: for whom, and for how long at the most."""

    message: str | None = None
    waiting_for: list[Text] = msgspec.field(default_factory=list)
    deadline_seconds: Seconds | None = None


class RunStalled(Struct, frozen=True):
    """The details of a RUN_STALLED event: what the watchdog found, in which phase, where."""

    message: str | None = None
    phase: str | None = None
    nodes: list[Text] = msgspec.field(default_factory=list)


class RunPaused(Struct, frozen=True):
    """The details of a RUN_PAUSED event."""

    reason: str | None = None


class Waiting(Struct, frozen=True):
    """A wait that goes on: since when, in which round (None: before any), for whom, how long."""

    since: str
    round: int | None
    message: str | None
    waiting_for: list[str]
    deadline_seconds: float | None


class Stalled(Struct, frozen=True):
    """No progress for much longer than usual, as the run's own watchdog says."""

    since: str
    round: int | None
    message: str | None
    phase: str | None
    nodes: list[str]


class Paused(Struct, frozen=True):
    """No further round begins until the run is resumed."""

    since: str
    reason: str | None


PRESENT = ("waiting", "stalled", "paused")

#: Whatever ends a round, or brings the run on, ends its wait and its stall.
TAKEN_AWAY: dict[str, tuple[str, ...]] = {
    "ROUND_STARTED": ("waiting",),
    "ROUND_COMPLETED": ("waiting", "stalled"),
    "ROUND_FAILED": ("waiting", "stalled"),
    "RUN_STALL_ENDED": ("stalled",),
    "RUN_RESUMED": ("paused",),
    "RUN_CONTINUED": PRESENT,
    "RUN_ENDED": PRESENT,
}


def present(event: Event, details: Struct | None) -> dict[str, str | None]:
    """The columns that an event sets (as JSON) or takes away (None); one not named stays."""
    since = rfc3339(event.time)
    if isinstance(details, RoundWaiting):
        nodes, deadline = details.waiting_for, details.deadline_seconds
        waiting = Waiting(since, event.round, details.message, nodes, deadline)
        return {"waiting": _json(waiting)}
    if isinstance(details, RunStalled):
        nodes = details.nodes
        stalled = Stalled(since, event.round, details.message, details.phase, nodes)
        return {"stalled": _json(stalled)}
    if isinstance(details, RunPaused):
        return {"paused": _json(Paused(since, details.reason))}
    return dict.fromkeys(TAKEN_AWAY.get(event.kind, ()))


def _json(what: Struct) -> str:
    return msgspec.json.encode(what).decode()
