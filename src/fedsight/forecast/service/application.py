"""The ASGI application: the routes, and the door before all."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from fedsight.door.bearer import Bearer
from fedsight.door.guard import Guard
from fedsight.door.openapi import openapi
from fedsight.door.routing import replies, route
from fedsight.forecast.service.endpoints import ENDPOINTS
from fedsight.forecast.service.forecasting import Forecasting


def create_app(
    service: Forecasting, token: str, *, on_ready: Callable[[], None] = lambda: None
) -> ASGIApp:
    """The application over a forecaster, which it starts, and closes at its own end.

    `token` is what callers from beyond loopback show; `on_ready` is called when requests are
    answered.
    """

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        service.start()
        on_ready()
        try:
            yield
        finally:
            await asyncio.to_thread(service.close)

    app = Starlette(
        routes=[*map(route, ENDPOINTS), Route("/openapi.json", _document)],
        lifespan=lifespan,
        exception_handlers=replies("the forecaster"),
    )
    app.state.service = service
    return Guard(app, service.options, Bearer(token))


async def _document(_: Request) -> Response:
    return Response(document(), media_type="application/json")


def document() -> bytes:
    """The forecaster's `/openapi.json`."""
    return openapi("fedsight forecaster", ENDPOINTS)
