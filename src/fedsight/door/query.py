"""Query parameters as a type."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

import msgspec
from msgspec import Struct

from fedsight.door.refusal import BadFieldError, bad_field

Query = TypeVar("Query", bound=Struct)


def parsed(pairs: Iterable[tuple[str, str]], kind: type[Query]) -> Query:
    """Query parameters as their type; an empty one counts as absent.

    Where two parameters contradict each other, the type's `BLAMED` is named. Raises BadFieldError
    naming the parameter.
    """
    given: dict[str, str] = {}
    for name, value in pairs:
        if name in given:
            raise BadFieldError(name, "must be given once")
        if value:
            given[name] = value
    try:
        return msgspec.convert(given, kind, strict=False)
    except msgspec.ValidationError as error:
        bad = bad_field(error)
        named = str(getattr(kind, "BLAMED", "query")) if bad.field == "body" else bad.field
        got = f", got {given[named]!r}" if named in given else ""
        raise BadFieldError(named, f"{bad}{got}") from None
