"""Times and durations as people write them: `2026-11-22T09:52:00Z`, `1h`, `now`, `15s`."""

from __future__ import annotations

import math
import re

from fedsight.door.refusal import BadFieldError
from fedsight.door.times import LATEST, parse_rfc3339

SECOND = 10**9
UNITS = {
    "ms": SECOND // 1000,
    "s": SECOND,
    "m": 60 * SECOND,
    "h": 3600 * SECOND,
    "d": 86_400 * SECOND,
    "w": 7 * 86_400 * SECOND,
    "y": 365 * 86_400 * SECOND,
}
DURATION = re.compile(r"(?:\d{1,12}(?:ms|[smhdwy]))+", re.ASCII)
PART = re.compile(r"(\d+)(ms|[smhdwy])", re.ASCII)
NUMBER = re.compile(r"\d{1,12}(?:\.\d{1,9})?", re.ASCII)

#: Steps that people think in, from which one is chosen where none was named.
ROUND_STEPS = tuple(
    UNITS[unit] * count
    for unit, counts in {
        "ms": (1, 10, 100),
        "s": (1, 2, 5, 10, 15, 30),
        "m": (1, 2, 5, 10, 15, 30),
        "h": (1, 2, 3, 6, 12),
        "d": (1, 2, 7, 14, 30, 90, 365),
    }.items()
    for count in counts
)


def duration(name: str, text: str) -> int:
    """Nanoseconds of `15s`, `1h30m` or a number of seconds; above 0.

    Raises BadFieldError naming the parameter.
    """
    if DURATION.fullmatch(text):
        length = sum(int(count) * UNITS[unit] for count, unit in PART.findall(text))
    elif NUMBER.fullmatch(text):
        length = _nanoseconds(text)
    else:
        raise BadFieldError(name, f"must be a duration such as 15s, 1h30m or 7d, got {text!r:.80}")
    if not 0 < length <= LATEST:
        raise BadFieldError(name, f"must be a duration above 0 and within 230 years, got {text!r}")
    return length


def moment(name: str, text: str, now: int) -> int:
    """Nanoseconds of an RFC 3339 time, of Unix seconds, of `now`, or of a duration ago: `1h`.

    Raises BadFieldError naming the parameter.
    """
    if text == "now":
        return now
    if NUMBER.fullmatch(text):
        return _within(name, text, _nanoseconds(text))
    back = text.removeprefix("now-").removeprefix("-")
    if DURATION.fullmatch(back):
        return _within(name, text, now - duration(name, back))
    try:
        return parse_rfc3339(text)
    except (ValueError, OverflowError):
        pass
    raise BadFieldError(
        name,
        "must be a time such as 2026-11-22T09:52:00Z, Unix seconds, now, or 1h for an hour ago,"
        f" got {text!r:.80}",
    )


def _nanoseconds(seconds: str) -> int:
    """Exact: a float of Unix seconds would be off by 100 ns."""
    whole, _, part = seconds.partition(".")
    return int(whole) * SECOND + int(part.ljust(9, "0"))


def _within(name: str, text: str, time: int) -> int:
    if not 0 <= time <= LATEST:
        raise BadFieldError(name, f"must lie between 1970 and 2200, got {text!r:.80}")
    return time


def written(nanoseconds: int) -> str:
    """A duration as `duration` reads it, in at most two units: `1h30m`, `2d`."""
    parts = []
    for unit in ("y", "d", "h", "m", "s", "ms"):
        count, nanoseconds = divmod(nanoseconds, UNITS[unit])
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts[:2]) or "0s"


def fitting_step(length: int, most: int) -> int:
    """The shortest round step that parts `length` ns into at most `most` windows.

    Windows begin at multiples of the step, so that one more than length / step may be touched.
    """
    for step in ROUND_STEPS:
        if length // step + 2 <= most:
            return step
    years = math.ceil(length / max(1, most - 2) / UNITS["y"])
    return years * UNITS["y"]
