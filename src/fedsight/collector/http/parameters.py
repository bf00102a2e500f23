"""Each route's query parameters, their types and limits."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal

import msgspec
from msgspec import Meta, Struct

from fedsight.collector.reading.queries import LAST_ROUND, RunCursor
from fedsight.collector.reading.rows import RunState
from fedsight.door.refusal import BadFieldError
from fedsight.door.times import parse_rfc3339
from fedsight.signals import Text

ROWS = 1_000
CELLS = 1_000_000
#: Nanoseconds that SQLite can hold.
CURSOR_TIME = re.compile(r"-?[0-9]{1,18}|[0-8][0-9]{18}")

Limit = Annotated[int, Meta(ge=1, le=ROWS)]
WideLimit = Annotated[int, Meta(ge=1, le=CELLS)]
Offset = Annotated[int, Meta(ge=0, le=2**53)]
RoundNumber = Annotated[int, Meta(ge=0, le=LAST_ROUND)]
Layout = Literal["rows", "columns"]


class RunsQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """Which runs; `cursor` is what the page before gave as `next`."""

    limit: Limit = 100
    offset: Offset = 0
    state: RunState | None = None
    task: Text | None = None
    cursor: Annotated[str, Meta(max_length=300)] | None = None

    @property
    def after(self) -> RunCursor | None:
        """Where the page before ended. Raises BadFieldError for what is no cursor."""
        if self.cursor is None:
            return None
        began, mark, run = self.cursor.partition("~")
        if not (mark and run and CURSOR_TIME.fullmatch(began)):
            raise BadFieldError("cursor", "must be the `next` of a page of runs")
        return RunCursor(int(began), run)


class TableQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """Which rounds; both ends of the range are included."""

    BLAMED: ClassVar[str] = "from_round"

    from_round: RoundNumber = 0
    to_round: RoundNumber = LAST_ROUND
    limit: WideLimit | None = None
    offset: Offset = 0
    layout: Layout = "rows"
    fields: Annotated[str, Meta(max_length=1024)] | None = None

    def __post_init__(self) -> None:
        if self.from_round > self.to_round:
            raise ValueError(f"from_round {self.from_round} must not be above to_round")

    @property
    def most(self) -> int:
        """How many rows to answer with."""
        return self.limit or (CELLS if self.layout == "columns" else ROWS)


class ClientsQuery(TableQuery, frozen=True, forbid_unknown_fields=True):
    """Which clients in which rounds."""

    node: Text | None = None


class EventsQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """Which events."""

    after: Annotated[int, Meta(ge=0, le=2**62)] = 0
    limit: Limit = ROWS
    kind: Text | None = None
    round: RoundNumber | None = None


class MetricsQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """Which run, and rounds that started within which time."""

    experiment_id: Text | None = None
    start: Annotated[str, Meta(max_length=64)] | None = msgspec.field(name="from", default=None)
    end: Annotated[str, Meta(max_length=64)] | None = msgspec.field(name="to", default=None)


class LoginQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """The code of a one-time address."""

    code: Annotated[str, Meta(max_length=128)] = ""


def chosen(query: TableQuery, allowed: Sequence[str]) -> Sequence[str]:
    """The fields wanted; raises BadFieldError for one that there is not, or with rows."""
    if query.layout == "rows" and (query.limit or 0) > ROWS:
        raise BadFieldError("limit", f"must be at most {ROWS} without layout=columns")
    if query.fields is None:
        return allowed
    if query.layout == "rows":
        raise BadFieldError("fields", "needs layout=columns")
    names = list(dict.fromkeys(query.fields.split(",")))
    for name in names:
        if name not in allowed:
            raise BadFieldError("fields", f"must be among {', '.join(allowed)}, got {name!r}")
    return names


def moment(name: str, text: str | None) -> int | None:
    """A time parameter in nanoseconds; raises BadFieldError where it is none."""
    if text is None:
        return None
    try:
        return parse_rfc3339(text)
    except (ValueError, OverflowError) as error:
        raise BadFieldError(name, f"must be an RFC 3339 time: {error}") from None
