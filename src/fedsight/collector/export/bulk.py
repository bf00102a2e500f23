"""Events as bulk requests of Elasticsearch's API, and what its answers mean. Pure.

https://www.elastic.co/docs/api/doc/elasticsearch/operation/operation-bulk
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import msgspec
from msgspec import Struct

from fedsight.collector.reading.rows import EventRow
from fedsight.door.times import parse_rfc3339
from fedsight.errors import SettingsError

INDEX = re.compile(r"[a-z0-9.][a-z0-9._\-]*(%[Ymd][a-z0-9._\-]*)*")
#: A request's body stays below what servers take by default (100 MB) by far.
BODY_BYTES = 4 * 2**20
#: Statuses that the same document meets again, however often it is sent.
PERMANENT = frozenset({400, 413})
#: The document is there already: it was sent before.
THERE = 409
#: From here on the fault is the server's.
FAULT = 500


@dataclass(frozen=True)
class SearchServer:
    """A server of Elasticsearch's API. `index` may hold %Y, %m and %d, of the event's time in UTC.

    `authorization` is the whole header. Raises SettingsError for an index that cannot be one.
    """

    url: str
    index: str = "fedsight-events-%Y.%m"
    batch_events: int = 500
    authorization: str | None = None
    ca_file: Path | None = None

    def __post_init__(self) -> None:
        if not INDEX.fullmatch(self.index) or self.index in (".", ".."):
            raise SettingsError(
                "elasticsearch.index must be of lower-case letters, digits and .-_ with"
                f" %Y, %m, %d, got {self.index!r}"
            )

    def __repr__(self) -> str:
        return f"SearchServer({self.url!r}, {self.index!r})"

    @property
    def name(self) -> str:
        """Under which it is remembered how far events went there."""
        return f"{self.url.rstrip('/')} {self.index}"

    def index_of(self, time: str) -> str:
        """The index of an event of this time (RFC 3339)."""
        return datetime.fromisoformat(time).astimezone(UTC).strftime(self.index)


class Document(Struct, frozen=True, rename={"time": "@timestamp"}):
    """An event as a document. `details` is JSON as text, so that no detail can become a field that
    clashes with another event's; what a person reads of them is `message`."""

    time: str
    store: str
    id: int
    source: str
    kind: str
    run: str | None
    round: int | None
    node: str | None
    message: str | None
    details: str


class _Place(Struct, frozen=True):
    index: str = msgspec.field(name="_index")
    id: str = msgspec.field(name="_id")


class _Create(Struct, frozen=True):
    create: _Place


@dataclass(frozen=True, slots=True)
class Line:
    """One event of a bulk request: its number, and its two lines."""

    event: int
    text: bytes


def line(event: EventRow, store: str, server: SearchServer) -> Line:
    """The event under an id that is the same whenever it is sent: store, event and its time.

    The time tells apart events of a store that was begun anew, which counts from 1 again.
    """
    id_ = f"{store}-{event.id}-{parse_rfc3339(event.time) // 1000}"
    place = _Place(server.index_of(event.time), id_)
    told = event.details.get("message")
    document = Document(
        event.time,
        store,
        event.id,
        event.source,
        event.kind,
        event.run,
        event.round,
        event.node,
        told if isinstance(told, str) else None,
        msgspec.json.encode(event.details).decode(),
    )
    action = msgspec.json.encode(_Create(place))
    return Line(event.id, action + b"\n" + msgspec.json.encode(document) + b"\n")


def fitting(lines: Sequence[Line], most: int = BODY_BYTES) -> int:
    """How many of the first lines make a body of at most `most` bytes: at least one."""
    held = 0
    for at, each in enumerate(lines):
        held += len(each.text)
        if held > most and at:
            return at
    return len(lines)


class Cause(Struct, frozen=True):
    """Why an item was refused."""

    type: str = "unknown"
    reason: str | None = None


class Outcome(Struct, frozen=True):
    """What became of one item."""

    status: int
    error: Cause | None = None


class Item(Struct, frozen=True):
    """One item of an answer, under its action."""

    create: Outcome


class BulkAnswer(Struct, frozen=True):
    """The answer to a bulk request: an item for each action, in order."""

    items: list[Item]
    errors: bool = True


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of the lines of a request: `again` may be sent once more, `why` one of those
    was not taken; `refused` never will be. `failing` are the events of `again` at which the server
    met a fault of its own."""

    taken: int
    again: tuple[Line, ...] = ()
    refused: tuple[tuple[Line, str], ...] = ()
    why: str | None = None
    failing: frozenset[int] = frozenset()


def verdict(lines: Sequence[Line], answer: bytes) -> Verdict:
    """What a 200 means for each line; raises ValueError for an answer that is none."""
    try:
        items = msgspec.json.decode(answer, type=BulkAnswer).items
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"the answer is no bulk answer: {error}") from None
    if len(items) != len(lines):
        raise ValueError(f"the answer has {len(items)} items for {len(lines)} events")
    again: list[Line] = []
    refused: list[tuple[Line, str]] = []
    why: str | None = None
    failing: set[int] = set()
    for each, item in zip(lines, items, strict=True):
        what = fate(item.create.status)
        if what == "refused":
            refused.append((each, _told(item.create)))
        elif what == "again":
            again.append(each)
            why = why or _told(item.create)
            if item.create.status >= FAULT:
                failing.add(each.event)
    taken = len(lines) - len(again) - len(refused)
    return Verdict(taken, tuple(again), tuple(refused), why, frozenset(failing))


def fate(status: int) -> Literal["taken", "again", "refused"]:
    """What an item's status means. What a server's settings may mend is sent again: a missing
    index or a missing right is no reason to lose an event."""
    if 200 <= status < 300 or status == THERE:
        return "taken"
    return "refused" if status in PERMANENT else "again"


def _told(outcome: Outcome) -> str:
    cause = outcome.error or Cause()
    reason = f": {cause.reason}" if cause.reason else ""
    return f"{outcome.status} {cause.type}{reason}"[:500]


def whole_error(status: int, answer: bytes) -> str:
    """Why a request as a whole was refused, as far as the server says."""
    try:
        told: Any = msgspec.json.decode(answer)
        error = told["error"]
        reason = error["reason"] if isinstance(error, dict) else str(error)
    except (msgspec.DecodeError, UnicodeDecodeError, KeyError, TypeError):
        return f"it answered {status}"
    return f"it answered {status}: {reason}"[:500]
