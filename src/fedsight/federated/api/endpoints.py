"""The table of HTTP routes: from it the application is built, and `/openapi.json`."""

from __future__ import annotations

from fedsight.door.endpoint import Endpoint, Nothing
from fedsight.door.exposition import MEDIA_TYPE
from fedsight.federated.api import parameters, routes, rows
from fedsight.federated.api.clients import Client, Registration
from fedsight.federated.api.starting import StartRequest
from fedsight.federated.api.status import Status

BODY = (400, 408, 413, 415)


def _command(path: str, answer: object, errors: tuple[int, ...] = (409, 422)) -> Endpoint:
    return Endpoint(
        "POST",
        path,
        answer,  # type: ignore[arg-type]
        Nothing,
        (rows.Command,),
        StartRequest if path == "/start" else rows.Reason,
        (*BODY, *errors),
        status=202,
        body_optional=True,
    )


VERSION = "/models/{run}/{round}"

ENDPOINTS = (
    Endpoint("GET", "/", routes.about, Nothing, (rows.Service,)),
    Endpoint("GET", "/health", routes.health, Nothing, (rows.Health,)),
    Endpoint("GET", "/status", routes.status, Nothing, (Status,)),
    _command("/start", routes.start),
    _command("/pause", routes.pause),
    _command("/resume", routes.resume),
    _command("/stop", routes.stop),
    _command("/restart", routes.restart),
    Endpoint(
        "GET", "/clients", routes.clients, parameters.PageQuery, (rows.ClientPage,), errors=(422,)
    ),
    Endpoint("GET", "/clients/{client_id}", routes.client, Nothing, (Client,), errors=(404,)),
    Endpoint(
        "POST",
        "/register",
        routes.register,
        Nothing,
        (Client,),
        Registration,
        (*BODY, 409, 422),
    ),
    Endpoint(
        "GET", "/rounds", routes.rounds, parameters.RoundsQuery, (rows.RoundsPage,), errors=(422,)
    ),
    Endpoint(
        "GET", "/events", routes.events, parameters.EventsQuery, (rows.EventsPage,), errors=(422,)
    ),
    Endpoint("GET", "/summary", routes.run_summary, Nothing, (rows.Summary,)),
    Endpoint("GET", "/metrics", routes.prometheus, Nothing, (rows.RunMetrics,), text=MEDIA_TYPE),
    Endpoint("GET", "/metrics.json", routes.run_metrics, Nothing, (rows.RunMetrics,)),
    Endpoint(
        "GET",
        "/models",
        routes.models,
        parameters.ModelsQuery,
        (rows.ModelPage,),
        errors=(404, 409, 422),
    ),
    Endpoint(
        "GET",
        "/models/compare",
        routes.compare,
        parameters.CompareQuery,
        (rows.Comparison,),
        errors=(404, 409, 422),
    ),
    Endpoint(
        "GET", "/models/{version}", routes.named_model, Nothing, (rows.Model,), errors=(404, 409)
    ),
    Endpoint("GET", VERSION, routes.model, Nothing, (rows.Model,), errors=(404, 409)),
    Endpoint(
        "POST",
        f"{VERSION}/tag",
        routes.tag_model,
        Nothing,
        (rows.Tagged,),
        rows.TagRequest,
        (*BODY, 404, 409, 422),
    ),
    Endpoint(
        "POST",
        f"{VERSION}/promote",
        routes.promote_model,
        Nothing,
        (rows.Tagged,),
        errors=(*BODY, 403, 404, 409, 422),
    ),
    Endpoint(
        "POST",
        "/models/rollback",
        routes.rollback_model,
        Nothing,
        (rows.Tagged,),
        errors=(*BODY, 409, 422),
    ),
)
