"""A scrape as OTLP: one resource, one scope, each family a metric.

https://opentelemetry.io/docs/specs/otel/compatibility/prometheus_and_openmetrics/
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.metrics.v1 import metrics_pb2 as metrics

from fedsight.telemetry.agent.families import (
    Distribution,
    Family,
    Kind,
    Labels,
    Number,
    Point,
    Scraped,
)
from fedsight.telemetry.agent.starts import Starts

AnyPoint = metrics.NumberDataPoint | metrics.HistogramDataPoint | metrics.SummaryDataPoint
CUMULATIVE = metrics.AGGREGATION_TEMPORALITY_CUMULATIVE


@dataclass(frozen=True)
class Origin:
    """Whose figures these are: the node, its host, and the target as downstream knows it.

    `agent` is what tells this agent from another of the same node; it becomes no label.
    """

    node: str
    host: str
    service: str
    version: str
    agent: str

    @property
    def attributes(self) -> Mapping[str, str]:
        """Of the resource."""
        return {
            "service.name": self.service,
            "host.name": self.host,
            "fedsight.node": self.node,
            "fedsight.agent": self.agent,
        }


def request(scraped: Scraped, origin: Origin, starts: Starts, time: int) -> bytes:
    """An ExportMetricsServiceRequest, encoded; `time` (Unix ns) is that of points without one.

    Several of them put together are one request with all that they hold: repeated fields of two
    encoded messages add up. https://protobuf.dev/programming-guides/encoding/#last-one-wins
    """
    message = ExportMetricsServiceRequest()
    of_resource = message.resource_metrics.add()
    of_resource.resource.attributes.extend(_attributes(tuple(origin.attributes.items())))
    of_scope = of_resource.scope_metrics.add()
    of_scope.scope.name = origin.service
    of_scope.scope.version = origin.version
    for family in scraped.families:
        _add(of_scope.metrics.add(), family, starts, time)
    encoded: bytes = message.SerializeToString()
    return encoded


def _add(metric: metrics.Metric, family: Family, starts: Starts, time: int) -> None:
    metric.name, metric.description, metric.unit = family.name, family.about, family.unit
    if family.kind == "counter":
        metric.sum.aggregation_temporality = CUMULATIVE
        metric.sum.is_monotonic = True
    elif family.kind == "histogram":
        metric.histogram.aggregation_temporality = CUMULATIVE
    for point in family.points:
        at = point.time or time
        start = 0 if family.kind == "gauge" else starts.of(family.name, point, at)
        added = _added(metric, family.kind, point)
        added.attributes.extend(_attributes(point.labels))
        added.time_unix_nano = at
        added.start_time_unix_nano = start


def _added(metric: metrics.Metric, kind: Kind, point: Point) -> AnyPoint:
    added: AnyPoint
    if isinstance(point, Number):
        of_number = metric.sum if kind == "counter" else metric.gauge
        added = of_number.data_points.add(as_double=point.value)
    elif isinstance(point, Distribution):
        added = metric.histogram.data_points.add(
            count=sum(point.counts),
            sum=point.sum,
            bucket_counts=point.counts,
            explicit_bounds=point.bounds,
        )
    else:
        added = metric.summary.data_points.add(count=point.count, sum=point.sum)
        for quantile, value in point.quantiles:
            added.quantile_values.add(quantile=quantile, value=value)
    return added


def _attributes(labels: Labels) -> list[KeyValue]:
    return [KeyValue(key=key, value=AnyValue(string_value=said)) for key, said in labels]
