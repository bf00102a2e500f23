"""The ASGI application: routes, the live stream, the dashboard's files, and the door before all."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.types import ASGIApp
from starlette.websockets import WebSocket

from fedsight.collector.http.document import document
from fedsight.collector.http.endpoints import ENDPOINTS
from fedsight.collector.http.login import Login
from fedsight.collector.http.static_files import packaged, site_routes
from fedsight.collector.ingest import DiskFullError
from fedsight.collector.metrics.requests import Counting, RequestCounts, templates
from fedsight.collector.options import CollectorOptions
from fedsight.collector.querying import routes as querying_routes
from fedsight.collector.running import Parts, collecting
from fedsight.collector.taking import routes as taking_routes
from fedsight.door.guard import Guard
from fedsight.door.refusal import RefusedError
from fedsight.door.routing import Reply, refused, replies, route
from fedsight.door.shortcut import Shortcut, ways
from fedsight.errors import StoreError

logger = logging.getLogger(__name__)


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
            app.state.service = collector
            on_ready()
            yield

    routes: list[BaseRoute] = [route(endpoint) for endpoint in ENDPOINTS]
    routes += [Route("/openapi.json", _document), WebSocketRoute("/ws/metrics", watch_stream)]
    routes += site_routes(packaged() if site is None else site)
    near = ways((*taking_routes.ENDPOINTS, *querying_routes.ENDPOINTS), routes)
    shortcut = Middleware(Shortcut, shortcuts=near, replies=own_replies())
    app = Starlette(
        routes=routes,
        lifespan=lifespan,
        exception_handlers=own_replies(),
        middleware=[shortcut],
    )
    app.state.requests = RequestCounts()
    within = guarded(app, parts.options, parts.login)
    return Counting(within, app.state.requests, templates(routes))


def own_replies() -> dict[type[Exception], Reply]:
    """What is answered to each kind of error."""
    return {
        sqlite3.Error: _unreadable,
        StoreError: _unwritable,
        **replies("the collector"),
    }


def guarded(app: ASGIApp, options: CollectorOptions, login: Login) -> Guard:
    """The application behind its door."""
    return Guard(
        app,
        options,
        login,
        open_paths=frozenset({"/login"}),
        of_pages=("/api/v1/services/", "/api/v1/alerts/", "/api/v1/silences"),
        forms=frozenset(endpoint.path for endpoint in ENDPOINTS if endpoint.form),
        any_content=frozenset(endpoint.path for endpoint in ENDPOINTS if endpoint.lines),
        private=("/api/", "/prometheus/", "/health", "/login", "/metrics"),
    )


async def _document(_: Request) -> Response:
    return Response(document(), media_type="application/json")


async def watch_stream(socket: WebSocket) -> None:
    """One connection to the live stream."""
    await socket.app.state.service.watch.serve(socket)


async def _unreadable(request: Request, error: Exception) -> Response:
    assert isinstance(error, sqlite3.Error)
    request.app.state.service.note_unreadable(error)
    logger.error("cannot read the store: %s", error)
    return refused(RefusedError(503, "store", f"cannot read the store: {error}"))


async def _unwritable(_: Request, error: Exception) -> Response:
    assert isinstance(error, StoreError)
    if isinstance(error, DiskFullError):
        return refused(RefusedError(507, "disk_full", str(error)))
    return refused(RefusedError(503, "store", str(error)))
