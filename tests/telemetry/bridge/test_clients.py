"""Real senders: OpenTelemetry's SDK over gRPC and HTTP, and rotel as a collector in between."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
import rotel
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import (
    OTLPMetricExporter as GrpcMetrics,
)
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.exporter.otlp.proto.http.metric_exporter import (
    OTLPMetricExporter as HttpMetrics,
)
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.metrics.view import ExponentialBucketHistogramAggregation, View
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

from fedsight.journal import Journal
from fedsight.signals import Batch, Sample, samples_of
from tests.telemetry.bridge.asked import NOW, gauge
from tests.telemetry.bridge.bridges import Bridge, free_port

pytestmark = pytest.mark.slow

RESOURCE = Resource({"service.name": "shop", "fedsight.node": "n-1"})
SECONDS = 20.0


def kept(data: Path) -> list[Batch]:
    """All records of the journal, once the bridge has ended."""
    (path,) = (data / "journals").glob("otlp-*.sqlite")
    with Journal(path.parent, path.stem) as journal:
        return [record.batch for record in journal.read(0, 100_000, 2**30)]


def samples(data: Path) -> list[Sample]:
    return [sample for batch in kept(data) for sample in samples_of(batch.samples)]


@pytest.fixture(params=["grpc", "http"])
def exporter(request: pytest.FixtureRequest) -> Callable[[Bridge], Any]:
    """Makes the SDK's metric exporter to a bridge."""
    if request.param == "grpc":
        return lambda bridge: GrpcMetrics(bridge.grpc.replace("grpc", "http", 1), insecure=True)
    return lambda bridge: HttpMetrics(f"{bridge.http}/v1/metrics")


def test_the_sdks_metrics_arrive_to_the_last_point(
    tmp_path: Path, exporter: Callable[[Bridge], Any]
) -> None:
    with Bridge(tmp_path) as bridge:
        buckets = View(instrument_name="size", aggregation=ExponentialBucketHistogramAggregation())
        reader = PeriodicExportingMetricReader(exporter(bridge), export_interval_millis=10**7)
        provider = MeterProvider([reader], RESOURCE, views=[buckets])
        meter = provider.get_meter("shop")
        orders, latency = meter.create_counter("orders"), meter.create_histogram("latency")
        for at in range(40):
            orders.add(at, {"store": f"s-{at}"})
            latency.record(at / 10, {"store": "s-0"})
        meter.create_histogram("size").record(3.0)
        meter.create_gauge("temperature").set(-4, {"room": "lab"})
        provider.shutdown()
        assert bridge.taken() == 43
    found = samples(tmp_path)
    of_orders = {s.labels["store"]: s.value for s in found if s.name == "orders"}
    assert of_orders == {f"s-{at}": float(at) for at in range(40)}
    values = {s.name: s.value for s in found if "le" not in s.labels}
    assert (values["latency_count"], values["temperature"]) == (40.0, -4.0)
    sizes = {s.labels["le"]: s.value for s in found if s.name == "size_bucket"}
    assert sizes == {"4": 1.0, "+Inf": 1.0}
    assert {s.labels["node"] for s in found} == {"n-1"}


def test_the_sdks_logs_and_spans_arrive(tmp_path: Path) -> None:
    with Bridge(tmp_path) as bridge:
        where = {"endpoint": bridge.grpc.replace("grpc", "http", 1), "insecure": True}
        logs = LoggerProvider(RESOURCE)
        logs.add_log_record_processor(SimpleLogRecordProcessor(OTLPLogExporter(**where)))
        warning = SeverityNumber.WARN
        record = LogRecord(timestamp=NOW, body="order 7 is late", severity_number=warning)
        logs.get_logger("shop.orders").emit(record)
        logs.shutdown()
        traces = TracerProvider(resource=RESOURCE)
        traces.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter(**where)))
        round_ = {"fedsight.run": "r-1", "fedsight.round": 2, "fedsight.phase": "train"}
        with traces.get_tracer("shop").start_as_current_span("train", attributes=round_):
            time.sleep(0.01)
        traces.shutdown()
    found = kept(tmp_path)
    (event,) = (event for batch in found for event in batch.events)
    assert (event.kind, event.details["body"], event.node) == (
        "OTLP_LOG",
        "order 7 is late",
        "n-1",
    )
    (span,) = (span for batch in found for span in batch.spans)
    assert (span.run, span.round, span.node, span.phase, span.ok) == (
        "r-1",
        2,
        "n-1",
        "train",
        True,
    )
    assert span.seconds >= 0.01


@contextmanager
def forwarding(to: Bridge, folder: Path) -> Iterator[str]:
    """A rotel that forwards to a bridge; its address for gRPC."""
    program = Path(rotel.__file__).with_name("rotel-agent")
    port = free_port()
    command = [str(program), "start", "--exporter", "otlp", "--otlp-exporter-protocol", "grpc"]
    command += ["--otlp-exporter-endpoint", to.grpc.replace("grpc", "http", 1)]
    command += ["--otlp-grpc-endpoint", f"127.0.0.1:{port}", "--batch-timeout", "100ms"]
    command += ["--otlp-http-endpoint", f"127.0.0.1:{free_port()}"]
    with (folder / "rotel.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder)
        try:
            channel = grpc.insecure_channel(f"127.0.0.1:{port}")
            grpc.channel_ready_future(channel).result(SECONDS)
            channel.close()
            yield f"127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(SECONDS)


def test_what_rotel_forwards_arrives_to_the_last_point(tmp_path: Path) -> None:
    requests, points = 20, 50
    with Bridge(tmp_path) as bridge, forwarding(bridge, tmp_path) as target:
        with grpc.insecure_channel(target) as channel:
            for at in range(requests):
                bridge.export("metrics", gauge(points=points, request=at), channel)
        deadline = time.monotonic() + SECONDS
        while bridge.taken() < requests * points and time.monotonic() < deadline:
            time.sleep(0.1)
        assert bridge.taken() == requests * points
    labels = {(s.labels["request"], s.labels["at"]) for s in samples(tmp_path)}
    assert len(labels) == requests * points
