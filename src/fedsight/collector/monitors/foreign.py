"""Reads fields of answers that others wrote: what is missing or of another kind is None. Pure.

Nothing is turned into 0, and no text into a number: who writes `"12"` did not measure twelve.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from fedsight.door.times import EPOCH, LATEST, parse_rfc3339
from fedsight.signals import Json

LARGEST_WHOLE = 2**53
MOST_NAME = 128
MOST_TEXT = 256
DETAIL_BYTES = 16 * 1024
NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_.:\-]")
#: Unix times by their size: seconds reach 5138 as years, and nothing finer lies below 1973.
UNITS = ((1e11, 1_000_000_000), (1e14, 1_000_000), (1e17, 1_000), (math.inf, 1))


def field(answer: Any, *path: str) -> Any:
    """What stands at the end of a path of keys; None where the way breaks off."""
    for key in path:
        if not isinstance(answer, Mapping):
            return None
        answer = answer.get(key)
    return answer


def rows(answer: Any, key: str) -> list[Mapping[str, Any]] | None:
    """The objects of a list that stands under a key; None where there is no such list."""
    found = field(answer, key)
    if not isinstance(found, list):
        return None
    return [each for each in found if isinstance(each, Mapping)]


def number(value: Any) -> float | None:
    """A finite number; true and false are none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        found = float(value)
    except OverflowError:
        return None
    return found if math.isfinite(found) else None


def whole(value: Any) -> int | None:
    """A whole number from 0 to 2^53."""
    found = number(value)
    if found is None or found != math.floor(found) or not 0 <= found <= LARGEST_WHOLE:
        return None
    return int(value)


def flag(value: Any) -> bool | None:
    """True or false."""
    return value if isinstance(value, bool) else None


def text(value: Any, most: int = MOST_TEXT) -> str | None:
    """One line of at most `most` printable characters; longer text is cut."""
    if not isinstance(value, str):
        return None
    line = "".join(one for one in value if one.isprintable()).strip()
    return line[:most] or None


def name(value: Any) -> str | None:
    """A name as signals take it; what they do not take becomes `_`."""
    line = text(value, MOST_NAME - 1)
    if line is None:
        return None
    clean = NOT_IN_NAMES.sub("_", line)
    return clean if clean[0].isalpha() or clean[0] == "_" else f"_{clean}"


def moment(value: Any) -> int | None:
    """A time in Unix nanoseconds: RFC 3339 text with its zone, or a Unix time as a number.

    Text without a zone is None, as nobody can say when that was. A number counts seconds, milli-,
    micro- or nanoseconds, by its size.
    """
    if isinstance(value, str):
        try:
            return parse_rfc3339(value)
        except (ValueError, OverflowError):
            return None
    found = number(value)
    if found is None or found <= 0:
        return None
    unit = next(each for below, each in UNITS if found < below)
    if isinstance(value, int):
        at = value * unit
    else:
        at = (_at(found, unit) - EPOCH) // timedelta(microseconds=1) * 1000
    return at if at <= LATEST else None


def _at(found: float, unit: int) -> datetime:
    try:
        return datetime.fromtimestamp(found * unit / 1e9, UTC)
    except (OverflowError, ValueError, OSError):
        return datetime.max.replace(tzinfo=UTC)


def details(value: Any) -> dict[str, Json]:
    """An object as it is; empty where it is none, and its size alone where it is too large."""
    if not isinstance(value, dict):
        return {}
    size = len(msgspec.json.encode(value))
    return value if size <= DETAIL_BYTES else {"left_out_bytes": size}
