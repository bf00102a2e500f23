"""Silences: alerts that match one are kept and shown, but nobody is sent a message about them."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct
from msgspec.structs import replace

from fedsight.collector.alerts.alert import AlertRecord
from fedsight.collector.store.patterns import matching
from fedsight.door.refusal import BadFieldError, RefusedError
from fedsight.door.times import parse_rfc3339, rfc3339
from fedsight.signals import Name

#: Silences that are not over, at most, and for how long one may last.
MOST = 500
LONGEST_SECONDS = 366 * 86_400
#: Silences that are over and stay to be looked at.
KEPT = 1000
SECOND = 10**9

MatchOp = Literal["=", "!=", "=~", "!~"]
Moment = Annotated[str, Meta(max_length=64, extra_json_schema={"format": "date-time"})]


class LabelMatcher(Struct, frozen=True, forbid_unknown_fields=True):
    """A condition on one label; one that an alert does not have is the empty text.

    Regular expressions are RE2 and match the whole text.
    """

    label: Name
    value: Annotated[str, Meta(max_length=256)]
    op: MatchOp = "="


class NewSilence(Struct, frozen=True, forbid_unknown_fields=True):
    """A silence to be made, from now on where `starts` is absent. All matchers must match."""

    matchers: Annotated[list[LabelMatcher], Meta(min_length=1, max_length=16)]
    ends: Moment
    starts: Moment | None = None
    by: Annotated[str, Meta(max_length=128)] = ""
    comment: Annotated[str, Meta(max_length=1000)] = ""


class AlertSilence(Struct, frozen=True):
    """A silence as it is answered; times are RFC 3339 UTC."""

    id: int
    matchers: list[LabelMatcher]
    starts: str
    ends: str
    by: str
    comment: str


class SilenceRecord(Struct, frozen=True):
    """A silence as its row holds it; times are Unix nanoseconds."""

    id: int
    matchers: list[LabelMatcher]
    starts: int
    ends: int
    by: str
    comment: str

    def told(self) -> AlertSilence:
        """As it is told to others."""
        return AlertSilence(
            self.id, self.matchers, rfc3339(self.starts), rfc3339(self.ends), self.by, self.comment
        )


def checked(wanted: NewSilence, now: int) -> SilenceRecord:
    """A new silence (id 0); raises BadFieldError for what is out of range."""
    starts = now if wanted.starts is None else _moment("starts", wanted.starts)
    ends = _moment("ends", wanted.ends)
    if ends <= max(starts, now):
        raise BadFieldError("ends", "must lie in the future and after starts")
    if ends - starts > LONGEST_SECONDS * SECOND:
        raise BadFieldError("ends", "must be at most 366 days after starts")
    for at, matcher in enumerate(wanted.matchers):
        if matcher.op in ("=~", "!~"):
            try:
                matching(matcher.value, [])
            except BadFieldError as error:
                raise BadFieldError(f"matchers[{at}].value", str(error)) from None
    if all(_fits(matcher, "") for matcher in wanted.matchers):
        raise BadFieldError("matchers", "must not all match an alert without labels")
    return SilenceRecord(0, wanted.matchers, starts, ends, wanted.by, wanted.comment)


def _moment(name: str, text: str) -> int:
    try:
        return parse_rfc3339(text)
    except (ValueError, OverflowError) as error:
        raise BadFieldError(name, f"must be an RFC 3339 time: {error}") from None


def silencing(silences: Sequence[SilenceRecord], record: AlertRecord, now: int) -> int | None:
    """The id of the first silence that holds an alert back at `now`; None where there is none."""
    labels = record.matched
    for silence in silences:
        if silence.starts <= now < silence.ends and all(
            _fits(matcher, labels.get(matcher.label, "")) for matcher in silence.matchers
        ):
            return silence.id
    return None


def _fits(matcher: LabelMatcher, value: str) -> bool:
    if matcher.op in ("=", "!="):
        return (value == matcher.value) == (matcher.op == "=")
    return matching(matcher.value, [value])[0] == (matcher.op == "=~")


def _record(row: tuple[Any, ...]) -> SilenceRecord:
    number, matchers, *rest = row
    return SilenceRecord(number, msgspec.json.decode(matchers, type=list[LabelMatcher]), *rest)


QUERY = "SELECT id, matchers, starts, ends, by, comment FROM silences"


def standing(db: sqlite3.Connection, now: int) -> list[SilenceRecord]:
    """The silences that hold something back at `now`, oldest first."""
    rest = "WHERE starts <= ? AND ends > ? ORDER BY id"
    return [_record(row) for row in db.execute(f"{QUERY} {rest}", (now, now))]


def silence_page(
    db: sqlite3.Connection, limit: int, offset: int
) -> tuple[list[SilenceRecord], int]:
    """Silences, newest first, and how many there are."""
    found = db.execute(f"{QUERY} ORDER BY id DESC LIMIT ? OFFSET ?", (limit, offset))
    total = db.execute("SELECT count(*) FROM silences").fetchone()[0]
    return [_record(row) for row in found], int(total)


def add_silence(db: sqlite3.Connection, silence: SilenceRecord, now: int) -> SilenceRecord:
    """Keep a silence; RefusedError 409 where there are too many."""
    going = db.execute("SELECT count(*) FROM silences WHERE ends > ?", (now,)).fetchone()[0]
    if going >= MOST:
        message = f"there are {MOST} silences already: end one that is not needed"
        raise RefusedError(409, "too_many_silences", message)
    matchers = msgspec.json.encode(silence.matchers).decode()
    row = db.execute(
        "INSERT INTO silences (matchers, starts, ends, by, comment) VALUES (?, ?, ?, ?, ?)"
        " RETURNING id",
        (matchers, silence.starts, silence.ends, silence.by, silence.comment),
    ).fetchone()
    db.execute(
        "DELETE FROM silences WHERE ends <= ? AND id <= (SELECT id FROM silences WHERE ends <= ?"
        " ORDER BY id DESC LIMIT 1 OFFSET ?)",
        (now, now, KEPT),
    )
    return replace(silence, id=int(row[0]))


def end_silence(db: sqlite3.Connection, number: int, now: int) -> SilenceRecord:
    """End a silence now, if it has not ended; RefusedError 404 where there is none."""
    row = db.execute(f"{QUERY} WHERE id = ?", (number,)).fetchone()
    if row is None:
        raise RefusedError(404, "not_found", f"there is no silence {number}")
    silence = _record(row)
    ended = replace(silence, starts=min(silence.starts, now), ends=min(silence.ends, now))
    db.execute(
        "UPDATE silences SET starts = ?, ends = ? WHERE id = ?", (ended.starts, ended.ends, number)
    )
    return ended
