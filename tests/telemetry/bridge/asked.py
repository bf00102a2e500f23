"""OTLP requests as tests make them."""

from __future__ import annotations

from typing import Any

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

from fedsight.telemetry.bridge.metrics import MetricsReader, Reading
from fedsight.telemetry.bridge.series import Interned

NOW = 1_795_341_120_000_000_000
RESOURCE = {"service.name": "shop", "host.name": "edge-1"}


def put(attributes: Any, pairs: dict[str, Any]) -> None:
    """Add attributes to a message's field."""
    attributes.extend(KeyValue(key=key, value=any_value(said)) for key, said in pairs.items())


def any_value(said: Any) -> AnyValue:
    """As OTLP has it; a bool is an int to Python, too."""
    kinds = {bool: "bool_value", str: "string_value", int: "int_value", float: "double_value"}
    if isinstance(said, bytes):
        return AnyValue(bytes_value=said)
    if isinstance(said, list):
        return AnyValue(array_value={"values": [any_value(item) for item in said]})
    return AnyValue(**{kinds[type(said)]: said})


def metrics(resource: dict[str, Any] | None = None, scope: str = "") -> tuple[Any, Any]:
    """A metrics request, and the list of its one scope's metrics."""
    request = ExportMetricsServiceRequest()
    of_resource = request.resource_metrics.add()
    put(of_resource.resource.attributes, RESOURCE if resource is None else resource)
    of_scope = of_resource.scope_metrics.add()
    of_scope.scope.name = scope
    return request, of_scope.metrics


def gauge(
    name: str = "load",
    points: int = 1,
    *,
    time: int = NOW,
    value: float = 0.5,
    unit: str = "",
    resource: dict[str, Any] | None = None,
    **attributes: Any,
) -> bytes:
    """One gauge with `points` points of series that differ by the label `at`."""
    request, found = metrics(resource)
    metric = found.add(name=name, unit=unit)
    for at in range(points):
        point = metric.gauge.data_points.add(time_unix_nano=time, as_double=value + at)
        put(point.attributes, {"at": at, **attributes})
    return bytes(request.SerializeToString())


def log(time: int = NOW, attributes: dict[str, Any] | None = None, **fields: Any) -> bytes:
    """One log record."""
    request = ExportLogsServiceRequest()
    of_resource = request.resource_logs.add()
    put(of_resource.resource.attributes, RESOURCE)
    record = of_resource.scope_logs.add().log_records.add(time_unix_nano=time, **fields)
    put(record.attributes, attributes or {})
    return bytes(request.SerializeToString())


def span(
    attributes: dict[str, Any], start: int = NOW, end: int = NOW + 10**9, **fields: Any
) -> bytes:
    """One span."""
    request = ExportTraceServiceRequest()
    of_resource = request.resource_spans.add()
    put(of_resource.resource.attributes, RESOURCE)
    found = of_resource.scope_spans.add().spans.add(
        start_time_unix_nano=start, end_time_unix_nano=end, **fields
    )
    put(found.attributes, attributes)
    return bytes(request.SerializeToString())


def reader(*labels: str) -> MetricsReader:
    """One whose windows want nothing."""
    return MetricsReader(Interned(labels), lambda _: frozenset())


def read(body: Any) -> Reading:
    """A request, read by a new reader."""
    raw = body if isinstance(body, bytes) else body.SerializeToString()
    return reader().read(raw)


def figures(reading: Reading) -> dict[str, float]:
    """Values by series, written as `name{label=value,...}` without what the resource says."""
    columns, found = reading.samples, dict[str, float]()
    for at, value in zip(columns.index, columns.value, strict=True):
        series = columns.series[at]
        own = ",".join(
            f"{key}={said}" for key, said in series.labels.items() if key not in ("service", "node")
        )
        found[f"{series.name}{{{own}}}" if own else series.name] = value
    return found
