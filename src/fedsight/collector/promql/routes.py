"""Prometheus's HTTP API under `/prometheus`. Reads run in reading threads.

https://prometheus.io/docs/prometheus/latest/querying/api/
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import msgspec
import numpy as np
from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from fedsight import __version__
from fedsight.collector.promql import answers, parameters
from fedsight.collector.promql.errors import Failure, bad_data
from fedsight.collector.promql.evaluation import by_value, evaluated
from fedsight.collector.promql.selecting import Evaluation, nanoseconds, selected_times
from fedsight.collector.promql.syntax import parsed, selector
from fedsight.collector.promql.values import Line, Scalar, Times, Value, Vector
from fedsight.collector.querying.parameters import MOST_COUNTED
from fedsight.collector.querying.rendering import chunks
from fedsight.collector.running import Collector
from fedsight.collector.store.contract import NAME_LABEL, Matcher, SampleSearch, Selection
from fedsight.door.endpoint import Endpoint, Nothing
from fedsight.door.refusal import BadFieldError
from fedsight.door.times import LATEST, now_ns
from fedsight.signals import Series

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
    when = now_ns() if query.time is None else parameters.moment("time", query.time)
    times = np.array([when // parameters.MILLISECOND * parameters.MILLISECOND], np.int64)
    tree = parsed(query.query)
    if type(tree).__name__ == "MatrixSelector":
        lines = await _searched(collector, lambda samples: range_samples(samples, times, tree))
        return _sent(sum(len(line.time) for line in lines), answers.sample_pieces(lines))
    value = await _searched(collector, lambda samples: evaluated(Evaluation(samples, times), tree))
    return _sent(_size(value), answers.instant_pieces(value, times, by_value(tree)))


def range_samples(samples: SampleSearch, times: Times, tree: Any) -> list[Line]:
    """The samples of a range vector at one time."""
    evaluation, length = Evaluation(samples, times), nanoseconds(tree.range)
    at = selected_times(tree.vector_selector, times)
    return [line for line in evaluation.lines(tree.vector_selector, at, length) if len(line.time)]


async def prometheus_query_range(
    collector: Collector, _: Request, query: parameters.RangeQuery
) -> Response:
    """An expression at evenly spaced times."""
    times = parameters.grid(query)
    tree = parsed(query.query)
    if type(tree).__name__ in ("MatrixSelector", "SubqueryExpr", "StringLiteral"):
        raise bad_data("invalid expression type for range query, must be Scalar or instant Vector")
    value = await _searched(collector, lambda samples: evaluated(Evaluation(samples, times), tree))
    if not isinstance(value, Vector | Scalar):
        raise bad_data("invalid expression type for range query, must be Scalar or instant Vector")
    return _sent(_size(value), answers.range_pieces(value, times))


async def _searched(collector: Collector, ask: Callable[[SampleSearch], Answer]) -> Answer:
    try:
        async with collector.questions:
            return await collector.search(ask)
    except BadFieldError as error:
        raise bad_data(f"invalid matcher: {error}") from None


def _size(value: Value) -> int:
    return value.values.size if isinstance(value, Vector | Scalar) else 1


def _sent(values: int, pieces: Iterator[bytes]) -> Response:
    if values <= SMALL:
        return Response(b"".join(pieces), media_type="application/json")
    return StreamingResponse(chunks(pieces), media_type="application/json")


def _json(answer: Struct) -> Response:
    return Response(msgspec.json.encode(answer), media_type="application/json")


async def prometheus_labels(
    collector: Collector, _: Request, query: parameters.MatchQuery
) -> Response:
    """Names of labels."""
    found, warnings = await _found(collector, query)
    names = {label for each in found for label in each.labels} | ({NAME_LABEL} if found else set())
    return _json(answers.Texts(sorted(names)[: query.limit or None], warnings))


async def prometheus_label_values(
    collector: Collector, request: Request, query: parameters.MatchQuery
) -> Response:
    """Values of one label."""
    name = request.path_params["name"]
    found, warnings = await _found(collector, query)
    values = {each.name if name == NAME_LABEL else each.labels.get(name, "") for each in found}
    return _json(answers.Texts(sorted(values - {""})[: query.limit or None], warnings))


async def prometheus_series(
    collector: Collector, _: Request, query: parameters.MatchQuery
) -> Response:
    """Series that meet any of the selectors."""
    if not query.match:
        raise bad_data("no match[] parameter provided")
    found, warnings = await _found(collector, query)
    metrics = [{NAME_LABEL: each.name, **each.labels} for each in found]
    return _json(answers.SeriesFound(metrics[: query.limit or None], warnings))


async def prometheus_metadata(
    collector: Collector, _: Request, query: parameters.MetadataQuery
) -> Response:
    """What is known of metrics: a name that ends in `_total` is a counter's."""
    named = [] if query.metric is None else [Matcher(NAME_LABEL, "=", query.metric)]
    everything = Selection(tuple(named), 0, LATEST)
    found = await _searched(collector, lambda samples: samples.series(everything, MOST_COUNTED))
    names = sorted({each.name for each in found})[: query.limit or None]
    known = {name: [answers.Meaning(_kind(name))] for name in names}
    return _json(answers.Metadata(known))


def _kind(name: str) -> Any:
    return "counter" if name.endswith("_total") else "unknown"


async def prometheus_build_info(_: Collector, __: Request, ___: Nothing) -> Response:
    """Who answers, and like which Prometheus."""
    application = f"fedsight {__version__}"
    return _json(answers.BuildInfo(answers.Build(LIKE_VERSION, "", "", "", "", "", application)))


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
    *_read("query", prometheus_query, parameters.InstantQuery, answers.Success),
    *_read("query_range", prometheus_query_range, parameters.RangeQuery, answers.Success),
    *_read("labels", prometheus_labels, parameters.MatchQuery, answers.Texts),
    *_read("series", prometheus_series, parameters.MatchQuery, answers.SeriesFound),
    Endpoint(
        "GET",
        f"{PREFIX}/label/{{name}}/values",
        prometheus_label_values,
        parameters.MatchQuery,
        (answers.Texts,),
        errors=(400, 422),
        failure=Failure,
    ),
    Endpoint(
        "GET",
        f"{PREFIX}/metadata",
        prometheus_metadata,
        parameters.MetadataQuery,
        (answers.Metadata,),
        errors=(422,),
    ),
    Endpoint(
        "GET", f"{PREFIX}/status/buildinfo", prometheus_build_info, Nothing, (answers.BuildInfo,)
    ),
)
