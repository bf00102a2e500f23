"""Prometheus's HTTP API under `/prometheus`. Reads run in reading threads.

https://prometheus.io/docs/prometheus/latest/querying/api/
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from fedsight import __version__
from fedsight.collector.promql import parameters, shapes
from fedsight.collector.promql.errors import Failure, bad_data
from fedsight.collector.promql.syntax import selector
from fedsight.collector.querying.parameters import MOST_COUNTED
from fedsight.collector.querying.rendering import chunks
from fedsight.collector.running import Collector
from fedsight.collector.store.contract import NAME_LABEL, Matcher, SampleSearch, Selection
from fedsight.door.endpoint import Endpoint
from fedsight.door.refusal import BadFieldError
from fedsight.door.times import LATEST, now_ns
from fedsight.signals import Series

if TYPE_CHECKING:
    from fedsight.collector.promql.asking import Told

PREFIX = "/prometheus/api/v1"
#: The Prometheus that the answers are compared with.
LIKE_VERSION = "2.42.0"
#: Values above which an answer is sent while it is written.
SMALL = 10_000

Answer = TypeVar("Answer")


async def prometheus_query(
    collector: Collector, _: Request, query: parameters.InstantQuery
) -> Response:
    """An expression at one time."""
    from fedsight.collector.promql.asking import at_once  # loaded when first asked

    time = now_ns() if query.time is None else parameters.moment("time", query.time)
    return _sent(await _searched(collector, lambda store: at_once(store, query.query, time)))


async def prometheus_query_range(
    collector: Collector, _: Request, query: parameters.RangeQuery
) -> Response:
    """An expression at evenly spaced times."""
    from fedsight.collector.promql.asking import over_range  # loaded when first asked

    times = parameters.grid(query)
    return _sent(await _searched(collector, lambda store: over_range(store, query.query, times)))


async def _searched(collector: Collector, ask: Callable[[SampleSearch], Answer]) -> Answer:
    try:
        async with collector.questions:
            return await collector.search(ask)
    except BadFieldError as error:
        raise bad_data(f"invalid matcher: {error}") from None


def _sent(told: Told) -> Response:
    if told.size <= SMALL:
        return Response(b"".join(told.pieces), media_type="application/json")
    return StreamingResponse(chunks(told.pieces), media_type="application/json")


def _json(answer: Struct) -> Response:
    return Response(msgspec.json.encode(answer), media_type="application/json")


async def prometheus_labels(
    collector: Collector, _: Request, query: parameters.MatchQuery
) -> Response:
    """Names of labels."""
    found, warnings = await _found(collector, query)
    names = {label for each in found for label in each.labels} | ({NAME_LABEL} if found else set())
    return _json(shapes.Texts(sorted(names)[: query.limit or None], warnings))


async def prometheus_label_values(
    collector: Collector, request: Request, query: parameters.MatchQuery
) -> Response:
    """Values of one label."""
    name = request.path_params["name"]
    found, warnings = await _found(collector, query)
    values = {each.name if name == NAME_LABEL else each.labels.get(name, "") for each in found}
    return _json(shapes.Texts(sorted(values - {""})[: query.limit or None], warnings))


async def prometheus_series(
    collector: Collector, _: Request, query: parameters.MatchQuery
) -> Response:
    """Series that meet any of the selectors."""
    if not query.match:
        raise bad_data("no match[] parameter provided")
    found, warnings = await _found(collector, query)
    metrics = [{NAME_LABEL: each.name, **each.labels} for each in found]
    return _json(shapes.SeriesFound(metrics[: query.limit or None], warnings))


async def prometheus_metadata(
    collector: Collector, _: Request, query: parameters.MetadataQuery
) -> Response:
    """What is known of metrics: a name that ends in `_total` is a counter's."""
    named = [] if query.metric is None else [Matcher(NAME_LABEL, "=", query.metric)]
    everything = Selection(tuple(named), 0, LATEST)
    found = await _searched(collector, lambda samples: samples.series(everything, MOST_COUNTED))
    names = sorted({each.name for each in found})[: query.limit or None]
    known = {name: [shapes.Meaning(_kind(name))] for name in names}
    return _json(shapes.Metadata(known))


def _kind(name: str) -> Any:
    return "counter" if name.endswith("_total") else "unknown"


async def prometheus_build_info(_: Collector, __: Request, ___: parameters.Anything) -> Response:
    """Who answers, and like which Prometheus."""
    application = f"fedsight {__version__}"
    return _json(shapes.BuildInfo(shapes.Build(LIKE_VERSION, "", "", "", "", "", application)))


async def _found(
    collector: Collector, query: parameters.MatchQuery
) -> tuple[list[Series], list[str]]:
    """The series of any selector, and a warning where there are more than are looked at."""
    start = 0 if query.start is None else parameters.moment("start", query.start)
    end = LATEST if query.end is None else parameters.moment("end", query.end) + 1
    wanted: Sequence[tuple[Matcher, ...]] = [selector(text) for text in query.match] or [()]

    def ask(samples: SampleSearch) -> list[Series]:
        found: dict[tuple[str, tuple[tuple[str, str], ...]], Series] = {}
        for matchers in wanted:
            for each in samples.series(Selection(matchers, start, end), MOST_COUNTED):
                found[each.name, tuple(each.labels.items())] = each
        return list(found.values())

    found = await _searched(collector, ask)
    if len(found) < MOST_COUNTED:
        return found, []
    return found, [f"more than {MOST_COUNTED} series match: only as many were looked at"]


def _read(path: str, answer: Any, query: type[Struct], response: type[Struct]) -> list[Endpoint]:
    """GET, and POST of a form, as Grafana asks."""
    both = ("GET", "POST")
    errors = (400, 422, 503)
    return [
        Endpoint(
            method,
            f"{PREFIX}/{path}",
            answer,
            query,
            (response,),
            errors=errors if method == "GET" else (*errors, 408, 413, 415),
            form=method == "POST",
            failure=Failure,
        )
        for method in both
    ]


ENDPOINTS = (
    *_read("query", prometheus_query, parameters.InstantQuery, shapes.Success),
    *_read("query_range", prometheus_query_range, parameters.RangeQuery, shapes.Success),
    *_read("labels", prometheus_labels, parameters.MatchQuery, shapes.Texts),
    *_read("series", prometheus_series, parameters.MatchQuery, shapes.SeriesFound),
    Endpoint(
        "GET",
        f"{PREFIX}/label/{{name}}/values",
        prometheus_label_values,
        parameters.MatchQuery,
        (shapes.Texts,),
        errors=(400, 404, 422),
        failure=Failure,
    ),
    Endpoint(
        "GET",
        f"{PREFIX}/metadata",
        prometheus_metadata,
        parameters.MetadataQuery,
        (shapes.Metadata,),
        errors=(422,),
    ),
    Endpoint(
        "GET",
        f"{PREFIX}/status/buildinfo",
        prometheus_build_info,
        parameters.Anything,
        (shapes.BuildInfo,),
    ),
)
