"""What each route answers."""

from __future__ import annotations

import asyncio

import msgspec
from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response

from fedsight import __version__
from fedsight.door import exposition
from fedsight.door.endpoint import Nothing
from fedsight.door.exposition import Family, Figure
from fedsight.door.refusal import RefusedError
from fedsight.door.times import now_ns, rfc3339
from fedsight.forecast.service import answers, drift, rows
from fedsight.forecast.service.forecasting import Forecasting
from fedsight.forecast.service.predictor import Loaded
from fedsight.forecast.service.units import unit_of

NAME = "fedsight-forecast"
STORE_ID = "store-id"


def json(answer: Struct) -> Response:
    """A struct as JSON."""
    return Response(msgspec.json.encode(answer), media_type="application/json")


async def about(_: Forecasting, __: Request, ___: Nothing) -> Response:
    """Name and version."""
    return json(rows.ForecastAbout(NAME, __version__))


async def health(service: Forecasting, _: Request, __: Nothing) -> Response:
    """Whether the forecaster can foresee and tell."""
    return json(await asyncio.to_thread(_health, service))


def _health(service: Forecasting) -> rows.ForecastHealth:
    standing, shipping = service.standing, service.shipper.health
    parts = {
        "model": _part(standing.no_model),
        "windows": _part(standing.fault),
        "journal": _part(shipping.last_error if shipping.refused else None),
    }
    bad = any(part.status == "degraded" for part in parts.values())
    level: rows.Level = "degraded" if bad else "healthy"
    return rows.ForecastHealth(level, NAME, rfc3339(now_ns()), __version__, _store(service), parts)


def _part(error: str | None) -> rows.ForecastPart:
    return rows.ForecastPart("healthy") if error is None else rows.ForecastPart("degraded", error)


def _store(service: Forecasting) -> str | None:
    try:
        return (service.options.data / STORE_ID).read_text(encoding="utf-8").strip()
    except OSError:
        return None


async def nodes(service: Forecasting, _: Request, __: Nothing) -> Response:
    """Every node that has a window, and how it stands."""
    standing, loaded = service.standing, service.standing.loaded
    told = rows.NodeList(
        None if loaded is None else answers.model(loaded),
        standing.no_model or standing.fault,
        service.step_seconds,
        service.options.interval,
        [] if loaded is None else [_metric(name) for name in loaded.shape.metrics],
        [] if loaded is None else [answers.node(one, loaded) for one in standing.nodes.values()],
    )
    return json(told)


def _metric(name: str) -> rows.MetricName:
    return rows.MetricName(name, unit_of(name))


def _loaded(service: Forecasting) -> Loaded:
    """The model version. Raises RefusedError 503 where there is none."""
    standing = service.standing
    if standing.loaded is None:
        raise RefusedError(503, "no_model", standing.no_model or "there is no model yet")
    return standing.loaded


async def forecast(service: Forecasting, request: Request, query: rows.ForecastQuery) -> Response:
    """What is foreseen of one node."""
    loaded, seen = _loaded(service), service.standing.nodes
    one = answers.found(seen, request.path_params["node"])
    sums = await asyncio.to_thread(service.memory.sums, now_ns(), one.node)
    own = sums.get(one.node)
    return json(answers.forecast(one, loaded, query, own, service.step_seconds))


async def quality(service: Forecasting, _: Request, query: rows.QualityQuery) -> Response:
    """How wrong forecasts were, beside two baselines on the same origins."""
    return json(await asyncio.to_thread(_quality, service, query))


def _quality(service: Forecasting, query: rows.QualityQuery) -> rows.Quality:
    loaded, now = _loaded(service), now_ns()
    if query.node is not None:
        answers.found(service.standing.nodes, query.node)
    sums = service.memory.sums(now, query.node)
    step, horizons = service.step_seconds, service.memory.horizons
    return rows.Quality(
        rfc3339(now - int(service.options.period * 1e9)),
        loaded.version,
        answers.target(loaded),
        step,
        answers.qualities(loaded, horizons, sums, service.standing.nodes, query, step),
        len(sums),
        drift.figures(service.memory.drift, service.options.drift),
        service.options.retrain,
    )


async def metrics(service: Forecasting, _: Request, __: Nothing) -> Response:
    """The forecaster's own figures, for Prometheus."""
    return Response(exposition.text(_families(service)), media_type=exposition.MEDIA_TYPE)


def _families(service: Forecasting) -> list[Family]:
    standing, looked = service.standing, service.standing.looked
    ready = sum(one.told is not None for one in standing.nodes.values())
    waits = sum(len(one.waiting) for one in list(service.memory.nodes.values()))
    figures = drift.figures(service.memory.drift, service.options.drift)
    told: list[tuple[str, str, float | None]] = [
        ("forecast_nodes", "Nodes that have a window.", len(standing.nodes)),
        ("forecast_nodes_ready", "Nodes that have a forecast.", ready),
        ("forecast_waiting", "Forecasts whose rows have not all come.", waits),
        (
            "forecast_look_seconds",
            "The last look at all windows.",
            looked.seconds if looked else None,
        ),
        (
            "forecast_model_seconds",
            "The model's part of it.",
            looked.model_seconds if looked else None,
        ),
        ("forecast_loss_ratio", "Recent loss over the first loss of this model.", figures.ratio),
        ("forecast_journal_waiting", "Records not sent yet.", service.shipper.health.waiting),
    ]
    return [
        Family(name, "gauge", about, () if value is None else (Figure(value),))
        for name, about, value in told
    ]
