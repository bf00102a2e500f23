"""The ASGI application: the routes, and the door before all."""

from __future__ import annotations

import asyncio
import logging
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
from fedsight.federated.api.endpoints import ENDPOINTS
from fedsight.federated.api.server import Server

logger = logging.getLogger(__name__)


def create_app(
    server: Server, token: str, *, on_ready: Callable[[], None] = lambda: None
) -> ASGIApp:
    """The application over the parts of a server, whose run it ends at its own end.

    `token` is what changes must show; `on_ready` is called when requests are answered.
    """

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        on_ready()
        try:
            yield
        finally:
            if not await asyncio.to_thread(server.runner.close, server.options.stop_seconds):
                logger.warning("the run did not end in time; the collector will mark it")

    app = Starlette(
        routes=[*map(route, ENDPOINTS), Route("/openapi.json", _document)],
        lifespan=lifespan,
        exception_handlers=replies("the FL server"),
    )
    app.state.service = server
    return Guard(app, server.options, Bearer(token))


async def _document(_: Request) -> Response:
    return Response(document(), media_type="application/json")


def document() -> bytes:
    """The server's `/openapi.json`."""
    return openapi("fedsight FL server", ENDPOINTS)
