"""A way past the router for the few routes that most requests are for.

Finding a route and making an error's answer cost more than storing a hundred samples. What stands
before the application (the door, the counting) stands before this too; see
docs/decisions/0143-past-the-router.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from fedsight.door.endpoint import Endpoint
from fedsight.door.refusal import BadFieldError, RefusedError, unprocessable
from fedsight.door.routing import Reply, query_of, refused


class Way(NamedTuple):
    """One endpoint, and the function by which its route is known."""

    endpoint: Endpoint
    known_as: Any


#: Method and path.
Asked = tuple[str, str]


def ways(endpoints: Sequence[Endpoint], routes: Sequence[BaseRoute]) -> dict[Asked, Way]:
    """Endpoints by method and path, which has no parameters; `routes` are the application's."""
    known = {each.path: each.endpoint for each in routes if isinstance(each, Route)}
    return {(each.method, each.path): Way(each, known[each.path]) for each in endpoints}


class Shortcut:
    """Middleware: answers a request to one of these as its route would; passes on all else.

    `replies` are the application's answers to errors by type. Any other error that is no refusal is
    left to whoever stands before, as the router leaves it.
    """

    def __init__(
        self,
        app: ASGIApp,
        shortcuts: Mapping[Asked, Way],
        replies: Mapping[type[Exception], Reply] | None = None,
    ) -> None:
        self._app = app
        self._shortcuts = shortcuts
        self._replies = {} if replies is None else replies
        self._told = tuple(kind for kind in self._replies if kind is not Exception)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or pass on."""
        way = None
        if scope["type"] == "http":
            way = self._shortcuts.get((scope["method"], scope["path"]))
        if way is None:
            await self._app(scope, receive, send)
            return
        scope["endpoint"] = way.known_as
        response = await self._answered(way.endpoint, Request(scope, receive))
        await response(scope, receive, send)

    async def _answered(self, endpoint: Endpoint, request: Request) -> Response:
        try:
            query = query_of(request.scope["query_string"], endpoint.query)
            return await endpoint.answer(request.app.state.service, request, query)
        except RefusedError as error:
            return refused(error)
        except BadFieldError as error:
            return refused(unprocessable(error))
        except self._told as error:
            kind = next(each for each in type(error).__mro__ if each in self._replies)
            return await self._replies[kind](request, error)
