"""The ASGI application: the routes, and the door before all."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from fedsight.door.guard import Guard
from fedsight.door.openapi import openapi
from fedsight.door.routing import replies, route
from fedsight.policy.service.endpoints import ENDPOINTS
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

    app = Starlette(
        routes=[*map(route, ENDPOINTS), Route("/openapi.json", _document)],
        lifespan=lifespan,
        exception_handlers=replies("the policy service"),
    )
    app.state.service = service
    return Guard(app, service.options, service.tokens)


async def _document(_: Request) -> Response:
    return Response(document(), media_type="application/json")


def document() -> bytes:
    """The policy service's `/openapi.json`."""
    return openapi("fedsight policy engine", ENDPOINTS)
