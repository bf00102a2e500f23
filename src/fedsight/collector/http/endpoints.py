"""The table of HTTP routes: from it the application is built, and `/openapi.json`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response

from fedsight.collector.http import parameters, routes
from fedsight.collector.reading import rows
from fedsight.collector.running import Collector
from fedsight.signals import Shipment

Answer = Callable[[Collector, Request, Any], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One route: its parameters, body and answers as types; `errors` are its 4xx and 5xx."""

    method: str
    path: str
    answer: Answer
    query: type[Struct]
    response: tuple[type[Struct], ...]
    body: type[Struct] | None = None
    errors: tuple[int, ...] = ()


RUN = "/api/v1/runs/{run}"

ENDPOINTS = (
    Endpoint("GET", "/health", routes.health, parameters.Nothing, (rows.Health,)),
    Endpoint("GET", "/api/v1/status", routes.status, parameters.Nothing, (rows.SystemStatus,)),
    Endpoint(
        "GET", "/api/v1/runs", routes.runs, parameters.RunsQuery, (rows.RunPage,), errors=(422,)
    ),
    Endpoint("GET", RUN, routes.run, parameters.Nothing, (rows.RunSummary,), errors=(404,)),
    Endpoint(
        "GET",
        f"{RUN}/rounds",
        routes.rounds,
        parameters.TableQuery,
        (rows.RoundPage, rows.ColumnPage),
        errors=(404, 422),
    ),
    Endpoint(
        "GET",
        f"{RUN}/clients",
        routes.clients,
        parameters.ClientsQuery,
        (rows.ClientPage, rows.ColumnPage),
        errors=(404, 422),
    ),
    Endpoint(
        "GET",
        f"{RUN}/spans",
        routes.spans,
        parameters.TableQuery,
        (rows.SpanPage, rows.ColumnPage),
        errors=(404, 422),
    ),
    Endpoint(
        "GET",
        f"{RUN}/events",
        routes.events,
        parameters.EventsQuery,
        (rows.EventPage,),
        errors=(404, 422),
    ),
    Endpoint(
        "GET",
        "/api/v1/fl/metrics",
        routes.fl_metrics,
        parameters.MetricsQuery,
        (rows.FederatedMetrics,),
        errors=(404, 422),
    ),
    Endpoint(
        "POST",
        "/api/v1/ingest",
        routes.ingest,
        parameters.Nothing,
        (rows.Accepted,),
        Shipment,
        (400, 408, 409, 413, 415, 422, 503, 507),
    ),
    Endpoint("GET", "/login", routes.login, parameters.LoginQuery, (), errors=(422,)),
)
