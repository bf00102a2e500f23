"""Query parameters as a type."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from fedsight.door.refusal import BadFieldError, bad_field

Query = TypeVar("Query", bound=Struct)


def parsed(pairs: Iterable[tuple[str, str]], kind: type[Query]) -> Query:
    """Query parameters as their type; an empty one counts as absent.

    Those that the type's `MANY` names may be given more than once and are lists. Where two
    parameters contradict each other, the type's `BLAMED` is named. Raises BadFieldError naming the
    parameter.
    """
    many = getattr(kind, "MANY", ())
    given: dict[str, Any] = {}
    for name, value in pairs:
        if name in many:
            given.setdefault(name, []).append(value)
        elif name in given:
            raise BadFieldError(name, "must be given once")
        elif value:
            given[name] = value
    try:
        return msgspec.convert(given, kind, strict=False)
    except msgspec.ValidationError as error:
        bad = bad_field(error)
        named = str(getattr(kind, "BLAMED", "query")) if bad.field == "body" else bad.field
        got = f", got {given[named]!r:.200}" if named in given else ""
        raise BadFieldError(named, f"{bad}{got}") from None
