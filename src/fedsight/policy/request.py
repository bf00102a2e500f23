"""A request: who wants to do what with which thing, when, and what is known of both."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

#: So long may a name be: a type, an id, an action, a run's.
MOST_NAME = 256


class Ref(Struct, frozen=True):
    """Another entity by its type and id, such as `Ref("Role", "admin")`."""

    type: str
    id: str


#: What an attribute may be. A decimal is a float or a Decimal's text as a float; never a text.
Value = bool | int | float | str | Sequence[str] | Sequence[int] | Ref


class Party(Struct, frozen=True):
    """Who asks, or what it is about: an entity with what was measured of it.

    `groups` counts for operators alone: their roles. Whether a client is a member, the policy set
    says and not the request.
    """

    type: str
    id: str
    attributes: Mapping[str, Any] = msgspec.field(default_factory=dict)
    groups: tuple[Ref, ...] = ()


class Request(Struct, frozen=True):
    """May `principal` do `action` with `resource` at `time` (Unix nanoseconds, UTC)?

    `resource` None: the federation. `context` is what a schema of one's own wants beyond the
    moment. `run` and `round` say what it was asked for; no rule sees them.
    """

    principal: Party
    action: str
    time: int
    resource: Party | None = None
    context: Mapping[str, Any] = msgspec.field(default_factory=dict)
    run: str | None = None
    round: int | None = None


def overlong(request: Request) -> str | None:
    """Which name of a request is longer than one may be, None where none is. Raises TypeError
    where one is no text."""
    who, about = request.principal, request.resource
    lengths = [len(request.action), len(who.type), len(who.id), len(request.run or "")]
    if about is not None:
        lengths += len(about.type), len(about.id)
    if max(lengths) <= MOST_NAME and not who.groups:  # as nearly all are
        return None
    return next((_told(*one) for one in _names(request) if len(one[1]) > MOST_NAME), None)


def _names(request: Request) -> Iterator[tuple[str, str]]:
    """The names of a request, each with what it is of."""
    yield "action", request.action
    yield "run", request.run or ""
    for what, party in (("principal", request.principal), ("resource", request.resource)):
        if party is not None:
            yield f"{what}'s type", party.type
            yield f"{what}'s id", party.id
            for one in party.groups:
                yield f"{what}'s group", one.type
                yield f"{what}'s group", one.id


def _told(what: str, name: str) -> str:
    return f"the {what} has {len(name)} characters, a name has at most {MOST_NAME}"
