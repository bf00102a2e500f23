"""The table of HTTP routes: from it the application is built, and `/openapi.json`."""

from __future__ import annotations

from fedsight.door.endpoint import Endpoint, Nothing
from fedsight.door.exposition import MEDIA_TYPE
from fedsight.forecast.service import routes, rows

ENDPOINTS = (
    Endpoint("GET", "/", routes.about, Nothing, (rows.ForecastAbout,)),
    Endpoint("GET", "/health", routes.health, Nothing, (rows.ForecastHealth,)),
    Endpoint("GET", "/metrics", routes.metrics, Nothing, (), text=MEDIA_TYPE),
    Endpoint("GET", "/forecast", routes.nodes, Nothing, (rows.NodeList,)),
    Endpoint(
        "GET",
        "/forecast/quality",
        routes.quality,
        rows.QualityQuery,
        (rows.Quality,),
        errors=(404, 422, 503),
    ),
    Endpoint(
        "GET",
        "/forecast/{node}",
        routes.forecast,
        rows.ForecastQuery,
        (rows.NodeForecast,),
        errors=(404, 409, 422, 503),
    ),
)
