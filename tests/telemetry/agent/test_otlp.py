"""Scrapes as OTLP: attributes, kinds, starts of counters, and requests put together."""

from __future__ import annotations

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest as Request,
)
from opentelemetry.proto.metrics.v1.metrics_pb2 import AGGREGATION_TEMPORALITY_CUMULATIVE, Metric

from fedsight.telemetry.agent.exposition import Bounds, parsed
from fedsight.telemetry.agent.families import Number
from fedsight.telemetry.agent.otlp import Origin, request
from fedsight.telemetry.agent.starts import Starts
from tests.telemetry.agent.test_exposition import HISTOGRAM

ORIGIN = Origin("node-1", "host-1.example", "scaphandre-metrics", "1.2", "0a1b")
SECOND = 1_000_000_000


def encoded(text: str, starts: Starts, time: int = SECOND, *, open_metrics: bool = False) -> bytes:
    scraped = parsed(text.encode(), open_metrics=open_metrics, bounds=Bounds())
    return request(scraped, ORIGIN, starts, time)


def metrics(body: bytes) -> dict[str, Metric]:
    (of_resource,) = Request.FromString(body).resource_metrics
    return {metric.name: metric for metric in of_resource.scope_metrics[0].metrics}


def counter(value: float) -> str:
    return f"# TYPE energy counter\nenergy {value}\n"


def start(text: str, starts: Starts, time: int) -> int:
    """The start of the page's counter."""
    (point,) = metrics(encoded(text, starts, time))["energy"].sum.data_points
    assert point.time_unix_nano == time
    return int(point.start_time_unix_nano)


def test_the_resource_and_the_scope_say_whose_it_is() -> None:
    (of_resource,) = Request.FromString(encoded("load 1\n", Starts())).resource_metrics
    said = {each.key: each.value.string_value for each in of_resource.resource.attributes}
    assert said == {
        "service.name": "scaphandre-metrics",
        "host.name": "host-1.example",
        "fedsight.agent": "0a1b",
        "fedsight.node": "node-1",
    }
    (of_scope,) = of_resource.scope_metrics
    assert (of_scope.scope.name, of_scope.scope.version) == ("scaphandre-metrics", "1.2")


def test_labels_are_attributes_and_kinds_stay() -> None:
    text = '# TYPE power gauge\npower{value_source="rapl"} 5.5\n' + counter(7) + HISTOGRAM
    found = metrics(encoded(text, Starts(), 9 * SECOND))
    (point,) = found["power"].gauge.data_points
    assert [(each.key, each.value.string_value) for each in point.attributes] == [
        ("value_source", "rapl")
    ]
    assert (point.as_double, point.time_unix_nano) == (5.5, 9 * SECOND)
    total = found["energy"].sum
    assert total.is_monotonic
    assert total.aggregation_temporality == AGGREGATION_TEMPORALITY_CUMULATIVE
    (histogram,) = found["wait_seconds"].histogram.data_points
    assert (histogram.count, histogram.sum) == (6, 3.5)
    assert list(histogram.bucket_counts) == [2, 3, 1]
    assert list(histogram.explicit_bounds) == [0.1, 1.0]


def test_the_start_of_a_counter_is_not_known_until_it_begins_anew() -> None:
    starts = Starts()
    found = [
        start(counter(value), starts, at * SECOND)
        for at, value in enumerate((5, 9, 2, 4, 1), start=1)
    ]
    assert found == [0, 0, 2 * SECOND, 2 * SECOND, 4 * SECOND]
    assert starts.resets == 2


def test_a_start_that_the_target_says_is_taken() -> None:
    text = "# TYPE energy counter\nenergy_total 5\nenergy_created 1.5\n# EOF\n"
    body = encoded(text, Starts(), 9 * SECOND, open_metrics=True)
    (point,) = metrics(body)["energy_total"].sum.data_points
    assert point.start_time_unix_nano == 1_500_000_000


def test_another_process_goes_on_with_the_same_starts() -> None:
    starts = Starts()
    for at, value in enumerate((5, 2), start=1):
        start(counter(value), starts, at * SECOND)
    assert starts.news
    again = Starts(starts.kept(3 * SECOND))
    assert start(counter(3), again, 4 * SECOND) == SECOND
    assert start(counter(1), again, 5 * SECOND) == 4 * SECOND


def test_a_start_is_never_after_its_point_where_the_clock_went_back() -> None:
    starts = Starts()
    start(counter(5), starts, 100 * SECOND)
    assert start(counter(1), starts, 50 * SECOND) == 0
    assert start(counter(2), starts, 101 * SECOND) == 100 * SECOND


def test_counters_that_are_gone_are_forgotten_after_a_day() -> None:
    starts = Starts()
    start(counter(5), starts, SECOND)
    day = 24 * 3600 * SECOND
    assert len(starts.kept(day)) > len(starts.kept(day + 2 * SECOND))


def test_requests_put_together_are_one() -> None:
    bodies = [encoded(f"load {value}\n", Starts(), value * SECOND) for value in (1, 2, 3)]
    together = Request.FromString(b"".join(bodies))
    values = [
        point.as_double
        for of_resource in together.resource_metrics
        for point in of_resource.scope_metrics[0].metrics[0].gauge.data_points
    ]
    assert values == [1.0, 2.0, 3.0]


def test_counters_whose_labels_change_are_not_remembered_for_ever() -> None:
    """The ones that were told longest ago are forgotten, those of each look are not."""
    starts = Starts()
    for look in range(60):
        starts.of("steady", Number((), float(look)), look * SECOND)
        for pid in range(1000):
            starts.of("work", Number((("pid", f"{look}.{pid}"),), 1.0), look * SECOND)
    assert starts.of("steady", Number((), 0.0), 60 * SECOND) == 59 * SECOND
    assert len(Starts(starts.kept(60 * SECOND)).kept(60 * SECOND)) < 2_000_000
    assert starts.of("work", Number((("pid", "0.0"),), 0.5), 60 * SECOND) == 0, "as if new"
    assert starts.of("work", Number((("pid", "59.0"),), 0.5), 60 * SECOND) == 59 * SECOND
