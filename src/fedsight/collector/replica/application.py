"""The ASGI application of a process that only reads; all else is passed on to the writer."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.types import ASGIApp

from fedsight import __version__
from fedsight.collector.http.application import guarded, own_replies, watch_stream
from fedsight.collector.http.document import document
from fedsight.collector.http.endpoints import ENDPOINTS
from fedsight.collector.http.static_files import packaged, site_routes
from fedsight.collector.reading.rows import Health, Level
from fedsight.collector.replica.running import Replica, ReplicaParts, reading
from fedsight.door.endpoint import Endpoint
from fedsight.door.routing import path_of, route
from fedsight.door.times import now_ns, rfc3339

#: What is answered here: reads that need nothing but the store.
HERE = ("/api/v1/runs", "/api/v1/fl/metrics", "/api/v1/compare", "/api/v1/query", "/api/v1/series")
PROMETHEUS = "/prometheus/"


def answered_here(endpoint: Endpoint) -> bool:
    """Whether a route only reads the store."""
    if endpoint.path.startswith(PROMETHEUS):
        return True
    return endpoint.method == "GET" and endpoint.path.startswith(HERE)


def create_replica_app(
    parts: ReplicaParts, *, on_ready: Callable[[], None] = lambda: None
) -> ASGIApp:
    """The application over opened parts, which it closes at its end."""

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with reading(parts) as replica:
            app.state.service = replica
            on_ready()
            yield

    routes: list[BaseRoute] = [Route("/health", _health), Route("/openapi.json", _document)]
    routes += [
        route(each)
        if answered_here(each)
        else Route(path_of(each), _passed_on, methods=[each.method])
        for each in ENDPOINTS
        if each.path != "/health"
    ]
    routes += [WebSocketRoute("/ws/metrics", watch_stream), *site_routes(packaged())]
    app = Starlette(routes=routes, lifespan=lifespan, exception_handlers=own_replies())
    return guarded(app, parts.options, parts.login)


async def _document(_: Request) -> Response:
    return Response(document(), media_type="application/json")


async def _passed_on(request: Request) -> Response:
    replica: Replica = request.app.state.service
    return await replica.writer.pass_on(request)


async def _health(request: Request) -> Response:
    replica: Replica = request.app.state.service
    parts = await replica.health()
    well = all(part.status == "healthy" for part in parts.values())
    level: Level = "healthy" if well else "degraded"
    moment = rfc3339(now_ns())
    answer = Health(level, "fedsight-collector", moment, __version__, replica.store_id, parts)
    return Response(msgspec.json.encode(answer), media_type="application/json")
