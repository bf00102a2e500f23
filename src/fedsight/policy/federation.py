"""`federation.toml`: whose members the rules speak of, and the numbers that they compare with."""

from __future__ import annotations

import math
import re
import tomllib
from dataclasses import dataclass, field
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
from msgspec import Meta, Struct

from fedsight.policy.faults import Fault, PolicyError
from fedsight.policy.text import Place

FILE = "federation.toml"
EVERYBODY = "*"
_CLOCK = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])|24:00")
_LINE = re.compile(r"\(at line (\d+), column (\d+)\)")

Name = Annotated[str, Meta(min_length=1, max_length=256)]
Limit = bool | int | float | str | list[str] | list[int]


class _Written(Struct, forbid_unknown_fields=True):
    name: Name
    members: Annotated[list[Name], Meta(max_length=1_000_000)]
    time_zone: str
    limits: dict[str, bool | int | float | str | list[str | int]]


@dataclass(frozen=True)
class Federation:
    """The federation of a policy set. `limits` are the attributes of its entity.

    A client is a member where `members` has its whole name, or is `"*"`.
    """

    name: str
    members: frozenset[str]
    zone: ZoneInfo
    limits: dict[str, bool | int | float | str | list[str | int]] = field(default_factory=dict)

    def has(self, client: str) -> bool:
        """Whether a client is a member: its whole name counts, never a part of it."""
        return client in self.members or EVERYBODY in self.members


def read(text: str) -> Federation:
    """Read the file's text. Raises PolicyError naming line or key."""
    try:
        written = msgspec.convert(tomllib.loads(text), _Written)
        zone = ZoneInfo(written.time_zone)
    except tomllib.TOMLDecodeError as error:
        found = _LINE.search(str(error))
        where = Place(int(found[1]), int(found[2])) if found else None
        raise PolicyError([Fault(FILE, where, _LINE.sub("", str(error)).strip())]) from error
    except msgspec.ValidationError as error:
        raise PolicyError([Fault(FILE, None, str(error))]) from error
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        message = f"time_zone must be a name as Europe/Berlin, got {written.time_zone!r}"
        raise PolicyError([Fault(FILE, _key(text, "time_zone"), message)]) from error
    for key, value in written.limits.items():
        if isinstance(value, float) and not math.isfinite(value):
            message = f"limits.{key} must be a finite number, got {value}"
            raise PolicyError([Fault(FILE, _key(text, key), message)])
    limits = {key: _minutes(value) for key, value in written.limits.items()}
    return Federation(written.name, frozenset(written.members), zone, limits)


def _minutes(
    value: bool | int | float | str | list[str | int],
) -> bool | int | float | str | list[str | int]:
    """`"22:30"` as the minute of the day, `"24:00"` as the last one's end."""
    if isinstance(value, str) and _CLOCK.fullmatch(value):
        hours, _, minutes = value.partition(":")
        return int(hours) * 60 + int(minutes)
    return value


def _key(text: str, key: str) -> Place | None:
    """Where a key is set."""
    found = re.search(rf"^\s*{re.escape(key)}\s*=", text, re.MULTILINE)
    if found is None:
        return None
    return Place(text[: found.end()].count("\n") + 1, 1)


def place_of(text: str, key: str) -> Place | None:
    """The line at which `key` is set in the file's text, None where it is not."""
    return _key(text, key)
