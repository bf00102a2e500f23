"""The table of HTTP routes: from it the application is built, and `/openapi.json`."""

from __future__ import annotations

from fedsight.collector.alerts import routes as alert_routes
from fedsight.collector.export import routes as export_routes
from fedsight.collector.http import compare_routes, parameters, routes, service_routes
from fedsight.collector.metrics import routes as metrics_routes
from fedsight.collector.monitors import routes as monitor_routes
from fedsight.collector.promql import routes as promql
from fedsight.collector.querying import routes as querying
from fedsight.collector.reading import rows
from fedsight.collector.reading.compare import Comparison
from fedsight.collector.taking import routes as taking_routes
from fedsight.door.endpoint import Endpoint, Nothing

RUN = "/api/v1/runs/{run}"
SERVICES = "/api/v1/services"
SERVICE = f"{SERVICES}/{{service}}/{{route}}"

ENDPOINTS = (
    # First, as routes are tried in order and most requests are these.
    *taking_routes.ENDPOINTS,
    *querying.ENDPOINTS,
    Endpoint("GET", "/health", routes.health, Nothing, (rows.Health,)),
    Endpoint("GET", "/api/v1/status", routes.status, Nothing, (rows.SystemStatus,)),
    Endpoint(
        "GET", "/api/v1/runs", routes.runs, parameters.RunsQuery, (rows.RunPage,), errors=(422,)
    ),
    Endpoint("GET", RUN, routes.run, Nothing, (rows.RunSummary,), errors=(404,)),
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
        "/api/v1/events",
        routes.all_events,
        parameters.EventsQuery,
        (rows.EventPage,),
        errors=(422,),
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
        "/api/v1/compare",
        compare_routes.compare,
        compare_routes.CompareQuery,
        (Comparison,),
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
    *export_routes.ENDPOINTS,
    *alert_routes.ENDPOINTS,
    *monitor_routes.ENDPOINTS,
    *metrics_routes.ENDPOINTS,
    Endpoint("GET", "/login", service_routes.login, parameters.LoginQuery, (), errors=(422,)),
    Endpoint(
        "POST",
        "/api/v1/login",
        service_routes.login_address,
        Nothing,
        (service_routes.LoginAddress,),
    ),
    Endpoint(
        "GET", "/api/v1/session", service_routes.session, Nothing, (service_routes.PageSession,)
    ),
    Endpoint("GET", SERVICES, service_routes.services, Nothing, (service_routes.ServiceList,)),
    Endpoint(
        "GET",
        SERVICE,
        service_routes.ask_service,
        service_routes.ServiceQuery,
        (service_routes.ServiceAnswer,),
        errors=(404, 422, 502, 504),
        deep=True,
    ),
    *(
        Endpoint(
            method,
            SERVICE,
            reply,
            service_routes.ServiceQuery,
            (service_routes.ServiceAnswer,),
            service_routes.ServiceCommand,
            (400, 404, 409, 413, 415, 422, 502, 504),
            body_optional=True,
            deep=True,
        )
        for method, reply in (
            ("POST", service_routes.tell_service),
            ("PUT", service_routes.replace_in_service),
        )
    ),
    *promql.ENDPOINTS,
)
