"""The newest decisions and events, by their numbers: those of their records in the trail."""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Iterable, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, Generic, TypeVar

import msgspec
from msgspec import Struct

from fedsight.door.times import rfc3339
from fedsight.policy.audit import Anchor, AuditError, SigningKey, canonical, segments
from fedsight.policy.audit.following import Told
from fedsight.policy.audit.record import HEAD, read, signed_text
from fedsight.policy.audit.witness import AUDIT_ANCHOR
from fedsight.policy.overseer import DECISION, EVENT

SOURCE = "policy"


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
    request: dict[str, Any]
    obligations: list[str]


class EventRow(Struct, frozen=True):
    """One event."""

    event_id: int
    timestamp: str
    source_component: str
    event_type: str
    details: dict[str, Any]
    client_id: str | None = None
    run: str | None = None
    round: int | None = None


Row = TypeVar("Row", DecisionRow, EventRow)


class Kept(Generic[Row]):
    """Rows with ascending numbers; the oldest go first."""

    def __init__(self, most: int) -> None:
        self._rows: deque[Row] = deque(maxlen=most)
        self._numbers: deque[int] = deque(maxlen=most)

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, number: int, row: Row) -> None:
        """Keep one more."""
        self._rows.append(row)
        self._numbers.append(number)

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
        request,
        body.get("obligations", []),
    )


def event_row(number: int, body: Mapping[str, Any]) -> EventRow:
    """An event as its record has it."""
    return EventRow(
        number,
        body["timestamp"],
        body["source"],
        body["event_type"],
        body["details"],
        body.get("client_id"),
        body.get("run"),
        body.get("round"),
    )


def anchor_row(anchor: Anchor, time: int) -> EventRow:
    """A signed head as the event that a collector keeps as its witness."""
    details = msgspec.to_builtins(anchor)
    return EventRow(anchor.seq, rfc3339(time), SOURCE, AUDIT_ANCHOR, details)


class Shelf:
    """What the trail told of, newest last: decisions, events with signed heads among them, and the
    keys under which events were logged, each with the event's digest and number."""

    def __init__(self, key: SigningKey, most: int) -> None:
        self._key = key
        self._most = most
        self.decisions: Kept[DecisionRow] = Kept(most)
        self.events: Kept[EventRow] = Kept(most)
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
                self.decisions.add(told.seq, decision_row(told.seq, told.body))
            elif told.kind == EVENT:
                self._event(told)
            elif told.kind == HEAD:
                self.head = self._head(told)
                self.events.add(told.seq, self.head)
        except (KeyError, TypeError, AttributeError):
            return

    def _event(self, told: Told) -> None:
        self.events.add(told.seq, event_row(told.seq, told.body))
        key = told.body.get("key")
        if key:
            self.keys[key] = told.body["digest"], told.seq
            while len(self.keys) > self._most:
                del self.keys[next(iter(self.keys))]

    def _head(self, told: Told) -> EventRow:
        signature = self._key.sign(signed_text(told.log, told.seq, told.hash))
        return anchor_row(Anchor(told.log, told.seq, told.hash, signature), told.time)
