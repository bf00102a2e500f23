"""The ASGI application: the routes, a short way to the checks, and the door before all."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp

from fedsight.door.guard import Guard
from fedsight.door.openapi import openapi
from fedsight.door.routing import replies, route
from fedsight.door.shortcut import Shortcut, ways
from fedsight.policy.service.endpoints import CHECKS, ENDPOINTS
from fedsight.policy.service.serving import Serving


def create_app(service: Serving, *, on_ready: Callable[[], None] = lambda: None) -> ASGIApp:
    """The application over a policy service, which it starts, and closes at its own end.

    `on_ready` is called when requests are answered.
    """

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        await service.start()
        on_ready()
        try:
            yield
        finally:
            await service.close()

    told = replies("the policy service")
    routes: list[BaseRoute] = [*map(route, ENDPOINTS), Route("/openapi.json", _document)]
    app = Starlette(
        routes=routes,
        lifespan=lifespan,
        exception_handlers=told,
        middleware=[Middleware(Shortcut, shortcuts=ways(CHECKS, routes), replies=told)],
    )
    app.state.service = service
    return Guard(app, service.options, service.tokens)


async def _document(_: Request) -> Response:
    return Response(document(), media_type="application/json")


def document() -> bytes:
    """The policy service's `/openapi.json`."""
    return openapi("fedsight policy engine", ENDPOINTS)
