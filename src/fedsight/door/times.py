"""Unix nanoseconds and RFC 3339 UTC, into each other."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NAIVE_EPOCH = EPOCH.replace(tzinfo=None)
LATEST = 7_258_118_400_000_000_000


def now_ns() -> int:
    """The wall clock in Unix nanoseconds."""
    return time.time_ns()


def rfc3339(nanoseconds: int) -> str:
    """A time as `2026-11-22T09:52:00.123456Z`; what is finer than a microsecond is cut off."""
    moment = NAIVE_EPOCH + timedelta(microseconds=nanoseconds // 1000)
    return moment.isoformat(timespec="microseconds") + "Z"


def rfc3339_or_none(nanoseconds: int | None) -> str | None:
    """As `rfc3339`; a time that is not known stays None."""
    return None if nanoseconds is None else rfc3339(nanoseconds)


def rfc3339_column(nanoseconds: NDArray[np.int64]) -> list[str]:
    """As `rfc3339`, for a whole column."""
    micro = (nanoseconds // 1000).astype("datetime64[us]")
    return [text + "Z" for text in np.datetime_as_string(micro).tolist()]


def parse_rfc3339(text: str) -> int:
    """The nanoseconds of an RFC 3339 time with its zone; raises ValueError for anything else."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} has no time zone; write it as 2026-11-22T09:52:00Z")
    nanoseconds = (moment - EPOCH) // timedelta(microseconds=1) * 1000
    if not 0 <= nanoseconds <= LATEST:
        raise ValueError(f"{text!r} must lie between 1970 and 2200")
    return nanoseconds
