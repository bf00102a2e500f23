"""The ASGI application: routes, the live stream, the dashboard's files, and the door before all."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.types import ASGIApp
from starlette.websockets import WebSocket

from fedsight.collector.http import parameters
from fedsight.collector.http.endpoints import ENDPOINTS, Endpoint
from fedsight.collector.http.guard import Guard
from fedsight.collector.http.openapi import openapi
from fedsight.collector.http.static_files import packaged, site_routes
from fedsight.collector.refusal import BadFieldError, RefusedError, unprocessable
from fedsight.collector.running import Collector, Parts, collecting

logger = logging.getLogger(__name__)

CODES = {404: "not_found", 405: "method_not_allowed"}


def create_app(
    parts: Parts, *, site: Path | None = None, on_ready: Callable[[], None] = lambda: None
) -> ASGIApp:
    """The application over opened parts, which it closes at its end.

    `site` is the folder of the dashboard's files, by default the package's own; `on_ready` is
    called when requests are answered.
    """

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with collecting(parts) as collector:
            app.state.collector = collector
            on_ready()
            yield

    routes: list[BaseRoute] = [_route(endpoint) for endpoint in ENDPOINTS]
    routes += [Route("/openapi.json", _document), WebSocketRoute("/ws/metrics", _watch)]
    routes += site_routes(packaged() if site is None else site)
    app = Starlette(
        routes=routes,
        lifespan=lifespan,
        exception_handlers={
            RefusedError: _refused,
            BadFieldError: _unprocessable,
            HTTPException: _http_error,
            sqlite3.Error: _unreadable,
            Exception: _fault,
        },
    )
    return Guard(app, parts.options, parts.login)


def _route(endpoint: Endpoint) -> Route:
    async def answer(request: Request) -> Response:
        query = parameters.parsed(request.query_params.multi_items(), endpoint.query)
        collector: Collector = request.app.state.collector
        return await endpoint.answer(collector, request, query)

    return Route(endpoint.path, answer, methods=[endpoint.method])


async def _document(_: Request) -> Response:
    return Response(openapi(ENDPOINTS), media_type="application/json")


async def _watch(socket: WebSocket) -> None:
    collector: Collector = socket.app.state.collector
    await collector.watch.serve(socket)


def _answer(refused: RefusedError) -> Response:
    return Response(refused.body(), refused.status, refused.headers, "application/json")


async def _refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, RefusedError)
    return _answer(error)


async def _unprocessable(_: Request, error: Exception) -> Response:
    assert isinstance(error, BadFieldError)
    return _answer(unprocessable(error))


async def _http_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    code = CODES.get(error.status_code, "http")
    return _answer(RefusedError(error.status_code, code, error.detail, headers=error.headers))


async def _unreadable(request: Request, error: Exception) -> Response:
    assert isinstance(error, sqlite3.Error)
    request.app.state.collector.note_unreadable(error)
    logger.error("cannot read the store: %s", error)
    return _answer(RefusedError(503, "store", f"cannot read the store: {error}"))


async def _fault(_: Request, __: Exception) -> Response:
    return _answer(RefusedError(500, "fault", "the collector met a fault; its log says which"))
