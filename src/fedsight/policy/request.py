"""A request: who wants to do what with which thing, when, and what is known of both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct


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
