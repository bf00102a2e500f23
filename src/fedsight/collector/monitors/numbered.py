"""Reads a service's numbered log by cursor: its events, its decisions.

A cursor is the last entry's number and time. The page after it is asked for from one number before,
so that the entry itself comes along: where it is gone or is another, the service began anew, and
so does the reading. (What a service that began anew says of its newest number cannot tell: by then
it may have passed the cursor.)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from msgspec import Struct

from fedsight.collector.monitors import foreign
from fedsight.collector.monitors.asking import NoRouteError, Place
from fedsight.collector.monitors.contract import ForeignAnswerError

PAGE = 500
#: A long log is read over several looks.
MOST_PAGES = 4

Row = Mapping[str, Any]


class LogCursor(Struct, frozen=True):
    """The last entry that was read: its number, and its time as the service wrote it."""

    id: int = 0
    time: str = ""


@dataclass(frozen=True, slots=True)
class Log:
    """Where a numbered log is, and what its fields are called."""

    path: str
    rows: str
    id: str
    since: str


@dataclass(frozen=True, slots=True)
class LogPart:
    """New entries in order. `anew`: the service's numbers began again before them."""

    rows: list[Row]
    cursor: LogCursor
    anew: bool = False


EVENTS = Log("/events", "events", "event_id", "since_event_id")
DECISIONS = Log("/api/v1/decisions", "decisions", "decision_id", "since_decision_id")


def new_rows(answer: Any, log: Log, cursor: LogCursor) -> LogPart | None:
    """What a page holds that is new; None where it is no page of this log.

    `anew` and no rows: ask again from the beginning. Entries without a whole number are left out.
    """
    found = foreign.rows(answer, log.rows)
    if found is None:
        return None
    known = {number: row for row in found if (number := foreign.whole(row.get(log.id))) is not None}
    if cursor.id:
        last = known.get(cursor.id)
        if not known or (last is not None and _time(last) != cursor.time):
            return LogPart([], LogCursor(), anew=True)
    numbers = sorted(number for number in known if number > cursor.id)
    after = LogCursor(numbers[-1], _time(known[numbers[-1]])) if numbers else cursor
    return LogPart([known[number] for number in numbers], after)


def _time(row: Row) -> str:
    return str(row.get("timestamp"))[:64]


async def read_log(place: Place, log: Log, cursor: LogCursor) -> LogPart | None:
    """New entries, at most MOST_PAGES pages of them; None where there is no such route.

    Raises AwayError or ForeignAnswerError.
    """
    rows: list[Row] = []
    anew = False
    for _ in range(MOST_PAGES):
        part = await _page(place, log, cursor)
        if part is None:
            return None
        if part.anew and not anew:
            anew, rows, cursor = True, [], part.cursor
            continue
        rows += part.rows
        cursor = part.cursor
        if len(part.rows) < PAGE - 1:
            break
    return LogPart(rows, cursor, anew)


async def _page(place: Place, log: Log, cursor: LogCursor) -> LogPart | None:
    query = {log.since: str(max(0, cursor.id - 1)), "limit": str(PAGE)}
    try:
        part = new_rows(await place.json(log.path, query), log, cursor)
    except NoRouteError:
        return None
    if part is None:
        raise ForeignAnswerError(f"{place.address}{log.path} answered no list {log.rows!r}")
    return part
