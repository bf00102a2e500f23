"""Parameters of Prometheus's HTTP API; those that it does not know either are passed over."""

from __future__ import annotations

import math
from typing import Annotated, ClassVar

import msgspec
import numpy as np
from msgspec import Meta, Struct
from numpy.typing import NDArray

from fedsight.collector.promql.errors import bad_data
from fedsight.collector.querying.moments import duration
from fedsight.door.refusal import BadFieldError
from fedsight.door.times import LATEST, parse_rfc3339

MILLISECOND = 10**6
MOST_STEPS = 11_000

#: Entries of a list; 0: all.
Limit = Annotated[int, Meta(ge=0)]


class Anything(Struct, frozen=True):
    """Nothing is asked; what is sent all the same is passed over."""


class InstantQuery(Struct, frozen=True):
    """An expression, at one time: Unix seconds or RFC 3339, by default now."""

    query: str = ""
    time: str | None = None
    timeout: str | None = None


class RangeQuery(Struct, frozen=True):
    """An expression, at `start` and every `step` (seconds, or `15s`) up to `end`."""

    query: str = ""
    start: str = ""
    end: str = ""
    step: str = ""
    timeout: str | None = None


class MatchQuery(Struct, frozen=True):
    """Series that meet any of the selectors `match[]`, within a time."""

    MANY: ClassVar[frozenset[str]] = frozenset({"match[]"})

    match: list[str] = msgspec.field(name="match[]", default_factory=list)
    start: str | None = None
    end: str | None = None
    limit: Limit = 0


class MetadataQuery(Struct, frozen=True):
    """Which metric; by default all, at most `limit`."""

    metric: str | None = None
    limit: Limit = 0


def moment(name: str, text: str) -> int:
    """A time in ns, to the millisecond as in Prometheus. Raises PromError."""
    try:
        time = round(_seconds(text) * 1000) * MILLISECOND
    except ValueError:
        try:
            time = parse_rfc3339(text) // MILLISECOND * MILLISECOND
        except (ValueError, OverflowError):
            message = f"invalid parameter {name!r}: cannot parse {text[:80]!r} to a valid timestamp"
            raise bad_data(message) from None
    if not 0 <= time <= LATEST:
        raise bad_data(f"invalid parameter {name!r}: {text[:80]!r} is not between 1970 and 2200")
    return time


def _seconds(text: str) -> float:
    seconds = float(text)
    if not math.isfinite(seconds) or abs(seconds) > 1e11:
        raise ValueError(text)
    return seconds


def step(text: str) -> int:
    """A step in ns, to the millisecond. Raises PromError."""
    try:
        length = round(_seconds(text) * 1000) * MILLISECOND
    except ValueError:
        try:
            length = duration("step", text)
        except BadFieldError:
            message = f"invalid parameter 'step': cannot parse {text[:80]!r} to a valid duration"
            raise bad_data(message) from None
    if length <= 0:
        raise bad_data(
            "invalid parameter 'step': zero or negative query resolution step widths are not"
            " accepted. Try a positive integer"
        )
    return length


def grid(query: RangeQuery) -> NDArray[np.int64]:
    """The times of a range query. Raises PromError where there are too many."""
    start, end, each = moment("start", query.start), moment("end", query.end), step(query.step)
    if end < start:
        raise bad_data("invalid parameter 'end': end timestamp must not be before start time")
    if (end - start) // each > MOST_STEPS:
        raise bad_data(
            f"exceeded maximum resolution of {MOST_STEPS:,} points per timeseries. Try decreasing"
            f" the query resolution (?step={-(-(end - start) // (MOST_STEPS * 10**9))} or longer)"
        )
    return np.arange(start, end + 1, each, dtype=np.int64)
