"""The newest decisions and events, by their numbers: those of their records in the trail."""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Generic, TypeVar

import msgspec
from msgspec import Raw, Struct

from fedsight.door.times import rfc3339
from fedsight.policy.audit import Anchor, AuditError, SigningKey, canonical, segments
from fedsight.policy.audit.following import Told
from fedsight.policy.audit.record import HEAD, read, signed_text
from fedsight.policy.audit.witness import AUDIT_ANCHOR
from fedsight.policy.overseer import DECISION, EVENT
from fedsight.policy.request import MOST_NAME

SOURCE = "policy"
#: So large may all that is kept of a kind be.
KEPT_BYTES = 64 * 2**20
#: So large may an answer with rows be, but for its last one.
PAGE_BYTES = 4 * 2**20
_LEAST = 2
#: What a row is without its texts, in memory.
_ROW_BYTES = 1000
#: A request that is larger is told without its attributes. The trail has it whole.
_REQUEST_BYTES = 64 * 2**10


class DecisionRow(Struct, frozen=True):
    """One decision, with what was asked."""

    decision_id: int
    timestamp: str
    action: str
    principal: str
    client_id: str | None
    allowed: bool
    observed: bool
    reason: str
    rules: list[str]
    errors: list[str]
    policy_version: str
    inputs: str
    run: str | None
    round: int | None
    request: Raw
    obligations: list[str]

    @property
    def size(self) -> int:
        """About how many bytes it is, told or kept."""
        texts = (self.reason, *self.rules, *self.errors, *self.obligations)
        return _ROW_BYTES + len(bytes(self.request)) + 2 * sum(map(len, texts))


class EventRow(Struct, frozen=True):
    """One event."""

    event_id: int
    timestamp: str
    source_component: str
    event_type: str
    details: Raw
    client_id: str | None = None
    run: str | None = None
    round: int | None = None

    @property
    def size(self) -> int:
        """About how many bytes it is, told or kept."""
        return _ROW_BYTES + len(bytes(self.details))


Row = TypeVar("Row", DecisionRow, EventRow)


def page(rows: Sequence[Row], limit: int) -> list[Row]:
    """The first of them, so many as one answer may hold: two at least, so that whoever asks from
    the last one on comes further."""
    found, size = list[Row](), 0
    for row in rows[:limit]:
        size += row.size
        if size > PAGE_BYTES and len(found) >= _LEAST:
            break
        found.append(row)
    return found


class Kept(Generic[Row]):
    """Rows with ascending numbers, `most` of them, and no more than are `most_bytes` large; the
    oldest go first."""

    def __init__(self, most: int, most_bytes: int) -> None:
        self._most = most
        self._most_bytes = most_bytes
        self._rows: deque[Row] = deque()
        self._numbers: deque[int] = deque()
        self.bytes = 0
        #: Whether there were older ones.
        self.full = False

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, number: int, row: Row) -> None:
        """Keep one more."""
        self._rows.append(row)
        self._numbers.append(number)
        self.bytes += row.size
        while len(self._rows) > self._most or (
            self.bytes > self._most_bytes and len(self._rows) > 1
        ):
            self.bytes -= self._rows.popleft().size
            self._numbers.popleft()
            self.full = True

    def after(self, number: int) -> Iterable[Row]:
        """Rows with higher numbers, oldest first."""
        numbers = list(self._numbers)
        return list(islice(self._rows, bisect_right(numbers, number), None))

    def newest(self) -> list[Row]:
        """All rows, newest first."""
        return list(reversed(self._rows))

    @property
    def last(self) -> int:
        """The highest number, 0 where there is none."""
        return self._numbers[-1] if self._numbers else 0

    @property
    def oldest(self) -> int | None:
        """The lowest number that is kept."""
        return self._numbers[0] if self._numbers else None


def decision_row(number: int, body: Mapping[str, Any]) -> DecisionRow:
    """A decision as its record has it (`overseer.body`, in plain JSON)."""
    request = body["request"]
    written = msgspec.json.encode(request)
    if len(written) > _REQUEST_BYTES:
        request = _shortened(request, len(written))
        written = msgspec.json.encode(request)
    principal = request["principal"]
    is_client = principal["type"] == "Client"
    time = canonical.restored(request["time"])
    return DecisionRow(
        number,
        rfc3339(time if isinstance(time, int) else 0),
        request["action"],
        f"{principal['type']}::{principal['id']}",
        principal["id"] if is_client else None,
        body["allowed"],
        body["observed"],
        body["reason"],
        body["rules"],
        body["errors"],
        body["version"],
        body["inputs"],
        request.get("run"),
        request.get("round"),
        Raw(written),
        body.get("obligations", []),
    )


def _shortened(request: Mapping[str, Any], size: int) -> dict[str, Any]:
    """A request without attributes and context, and with names of a name's length."""
    return {
        "principal": _named(request["principal"]),
        "action": _name(request["action"]),
        "time": request["time"],
        "resource": _named(request["resource"]) if request.get("resource") else None,
        "context": {},
        "run": _name(request["run"]) if request.get("run") else None,
        "round": request.get("round"),
        "left_out_bytes": size,
    }


def _named(party: Mapping[str, Any]) -> dict[str, Any]:
    names = {"type": _name(party["type"]), "id": _name(party["id"])}
    return {**names, "attributes": {}, "groups": []}


def _name(text: str) -> str:
    return text if len(text) <= MOST_NAME else f"{text[: MOST_NAME - 1]}…"


def event_row(number: int, body: Mapping[str, Any]) -> EventRow:
    """An event as its record has it."""
    return EventRow(
        number,
        body["timestamp"],
        body["source"],
        body["event_type"],
        Raw(msgspec.json.encode(body["details"])),
        body.get("client_id"),
        body.get("run"),
        body.get("round"),
    )


def anchor_row(anchor: Anchor, time: int) -> EventRow:
    """A signed head as the event that a collector keeps as its witness."""
    details = Raw(msgspec.json.encode(anchor))
    return EventRow(anchor.seq, rfc3339(time), SOURCE, AUDIT_ANCHOR, details)


def _checked(row: Row) -> Row:
    """A row of somebody else's record: its fields are of their types. Raises ValueError."""
    msgspec.json.decode(msgspec.json.encode(row), type=type(row))
    return row


class Shelf:
    """What the trail told of, newest last: decisions, events with signed heads among them, and the
    keys under which events were logged, each with the event's digest and number."""

    def __init__(self, key: SigningKey, most: int, most_bytes: int = KEPT_BYTES) -> None:
        self._key = key
        self._most = most
        self.decisions: Kept[DecisionRow] = Kept(most, most_bytes)
        self.events: Kept[EventRow] = Kept(most, most_bytes)
        self.keys: dict[str, tuple[str, int]] = {}
        #: The newest signed head. An event that calls itself one is not it.
        self.head: EventRow | None = None

    def load(self, folder: Path, last: int) -> None:
        """Take the newest records up to `last` in. What is none of ours is left to `verify`.

        Raises AuditError where they cannot be read.
        """
        try:
            for line in segments.lines_of(segments.written(folder)[-3:]):
                found, wrong = read(line.text)
                if found is not None and not wrong and found.seq <= last:
                    of = found.seq, found.kind, found.hash, found.log, int(found.time), found.body
                    self.take(Told(*of, False))
        except OSError as error:
            raise AuditError(f"cannot read the audit trail {folder}: {error}") from error

    def take(self, told: Told) -> None:
        """Keep a record, where it is one of these."""
        try:
            if told.kind == DECISION:
                row = decision_row(told.seq, told.body)
                self.decisions.add(told.seq, row if told.own else _checked(row))
            elif told.kind == EVENT:
                self._event(told)
            elif told.kind == HEAD:
                self.head = self._head(told)
                self.events.add(told.seq, self.head)
        except (KeyError, TypeError, AttributeError, ValueError, OverflowError):
            return

    def _event(self, told: Told) -> None:
        row = event_row(told.seq, told.body)
        self.events.add(told.seq, row if told.own else _checked(row))
        key = told.body.get("key")
        if key:
            self.keys[key] = told.body["digest"], told.seq
            while len(self.keys) > self._most:
                del self.keys[next(iter(self.keys))]

    def _head(self, told: Told) -> EventRow:
        signature = self._key.sign(signed_text(told.log, told.seq, told.hash))
        return anchor_row(Anchor(told.log, told.seq, told.hash, signature), told.time)
