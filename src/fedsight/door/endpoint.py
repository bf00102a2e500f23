"""One line of a service's table of routes, from which its application and its document are made."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response

from fedsight.door.refusal import ErrorAnswer

#: Given the service, the request, and its query parameters as their type.
Answer = Callable[[Any, Request, Any], Awaitable[Response]]


class Nothing(Struct, frozen=True, forbid_unknown_fields=True):
    """No parameters."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One route: its parameters, body and answers as types; `errors` are its 4xx and 5xx.

    `body_optional`: it may be left out. `text`: the media type of an answer that is not JSON.
    `deep`: the last parameter of the path may hold slashes. `form`: a POST that only reads, its
    parameters in a form's body as well as in the address, as Prometheus's API has them. `lines`:
    the body is text in whatever Content-Type its writers name, as those of line protocol do.
    `failure`: the body of its own errors, where that is another than the usual.
    """

    method: str
    path: str
    answer: Answer
    query: type[Struct]
    response: tuple[type[Struct], ...]
    body: type[Struct] | None = None
    errors: tuple[int, ...] = ()
    status: int = 200
    body_optional: bool = False
    text: str | None = None
    deep: bool = False
    form: bool = False
    failure: type[Struct] = ErrorAnswer
    lines: bool = False
