"""What an export is asked for, checked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal, get_args

import msgspec
from msgspec import Meta, Struct

from fedsight.door.refusal import BadFieldError
from fedsight.door.times import LATEST, parse_rfc3339
from fedsight.signals import Text

Component = Literal["fl", "network", "policy", "system"]
Format = Literal["json", "csv", "parquet"]
Grain = Literal["raw", "1m", "5m", "1h"]
TableName = Literal["samples", "events", "runs", "rounds", "clients", "spans"]

COMPONENTS: tuple[Component, ...] = get_args(Component)
TABLES: tuple[TableName, ...] = get_args(TableName)
#: Tables that only the component `fl` has.
OF_FL: frozenset[TableName] = frozenset({"runs", "rounds", "clients", "spans"})
MINUTE = 60 * 10**9
STEPS: dict[Grain, int | None] = {
    "raw": None,
    "1m": MINUTE,
    "5m": 5 * MINUTE,
    "1h": 60 * MINUTE,
}

Moment = Annotated[str, Meta(max_length=64)]


class ExportRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """The body of `POST /api/v1/export`; what is left out is everything there is.

    `start_time` is included, `end_time` is not.
    """

    experiment_id: Text | None = None
    components: Annotated[list[Component], Meta(min_length=1, max_length=8)] = msgspec.field(
        default_factory=lambda: list(COMPONENTS)
    )
    start_time: Moment | None = None
    end_time: Moment | None = None
    format: Format = "json"
    aggregation: Grain = "raw"
    tables: Annotated[list[TableName], Meta(min_length=1, max_length=8)] | None = None


@dataclass(frozen=True, slots=True)
class Scope:
    """What an export holds: [start, end) in ns, `step` in ns or None for samples as they came.

    `start` and `end` are None where nothing was said of them. `going` is when the run went on, in
    the same way: what names no run belongs to it for that time.
    """

    run: str | None
    components: tuple[Component, ...]
    start: int | None
    end: int | None
    format: Format
    grain: Grain
    tables: tuple[TableName, ...]
    going: tuple[int, int] | None = None

    @property
    def step(self) -> int | None:
        """The width of a window in ns; None: no windows."""
        return STEPS[self.grain]

    @property
    def bounds(self) -> tuple[int, int]:
        """The range with nothing left open."""
        return self.start or 0, LATEST if self.end is None else self.end

    @property
    def while_run(self) -> tuple[int, int]:
        """The range for what names no run: within it, the time that the run went on."""
        start, end = self.bounds
        first, last = self.going or (start, end)
        return max(start, first), min(end, last)


def scope_of(request: ExportRequest) -> Scope:
    """The request as what it means; raises BadFieldError naming a field that makes no sense."""
    start, end = _moment("start_time", request.start_time), _moment("end_time", request.end_time)
    if start is not None and end is not None and start >= end:
        raise BadFieldError("end_time", f"must be later than start_time {request.start_time}")
    components = tuple(one for one in COMPONENTS if one in request.components)
    wanted = TABLES if request.tables is None else request.tables
    tables = tuple(t for t in TABLES if t in wanted and ("fl" in components or t not in OF_FL))
    if not tables:
        named = ", ".join(wanted)
        raise BadFieldError("tables", f"{named}: only the component 'fl' has these")
    return Scope(
        request.experiment_id,
        components,
        start,
        end,
        request.format,
        request.aggregation,
        tables,
    )


def _moment(field: str, text: str | None) -> int | None:
    if text is None:
        return None
    try:
        return parse_rfc3339(text)
    except (ValueError, OverflowError) as error:
        raise BadFieldError(field, f"must be an RFC 3339 time: {error}") from None
