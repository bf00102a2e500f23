"""A bridge of a test: a real gRPC server with OpenTelemetry's own stubs, which answers as told."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest as Request,
)
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceResponse as Response,
)
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2_grpc import (
    MetricsServiceServicer,
    add_MetricsServiceServicer_to_server,
)

#: Node, target, metric, labels, time, value.
Row = tuple[str, str, str, tuple[tuple[str, str], ...], int, float]
Answer = Callable[[Request, Any], Response | None]


def take(_: Request, __: Any) -> Response | None:
    """Take everything."""
    return Response()


class Receiver(MetricsServiceServicer):
    """Takes what `answer` lets it take; keeps requests and what was shown with them."""

    def __init__(self, answer: Answer = take) -> None:
        self.answer = answer
        self.requests: list[Request] = []
        self.shown: list[dict[str, str]] = []
        self.asked = 0
        self._news = threading.Condition()

    def Export(self, request: Request, context: Any) -> Response:  # noqa: N802
        """OTLP's only method."""
        with self._news:
            self.asked += 1
            self.shown.append(dict(context.invocation_metadata()))
            answer = self.answer(request, context)
            if answer is not None:
                self.requests.append(request)
            self._news.notify_all()
        return answer or Response()

    def wait(self, until: Callable[[], bool], seconds: float = 20) -> None:
        """Wait until something is so."""
        with self._news:
            assert self._news.wait_for(until, seconds), f"not within {seconds} s"

    def rows(self) -> list[Row]:
        """Every number that was taken, in the order of arrival."""
        return [row for request in self.requests for row in rows_of(request)]

    def doubled(self) -> int:
        """How many numbers came more than once."""
        counts = Counter(row[:5] for row in self.rows())
        return sum(count - 1 for count in counts.values())


def rows_of(request: Request) -> Iterator[Row]:
    """The numbers of one request."""
    for resource in request.resource_metrics:
        about = {each.key: each.value.string_value for each in resource.resource.attributes}
        for scope in resource.scope_metrics:
            for metric in scope.metrics:
                points = metric.gauge.data_points or metric.sum.data_points
                for point in points:
                    labels = tuple((each.key, each.value.string_value) for each in point.attributes)
                    node, service = about["fedsight.node"], about["service.name"]
                    value = point.as_double
                    yield node, service, metric.name, labels, point.time_unix_nano, value


@contextmanager
def receiving(
    receiver: Receiver, port: int = 0, tls: tuple[Path, Path] | None = None
) -> Iterator[str]:
    """Serve it on loopback; its address. `tls` are a certificate and its key."""
    server = grpc.server(ThreadPoolExecutor(2), options=(("grpc.so_reuseport", 0),))
    add_MetricsServiceServicer_to_server(receiver, server)  # type: ignore[no-untyped-call]
    if tls is None:
        bound = server.add_insecure_port(f"127.0.0.1:{port}")
        scheme = "http"
    else:
        certificate, key = (each.read_bytes() for each in tls)
        credentials = grpc.ssl_server_credentials([(key, certificate)])
        bound = server.add_secure_port(f"127.0.0.1:{port}", credentials)
        scheme = "https"
    server.start()
    try:
        yield f"{scheme}://127.0.0.1:{bound}"
    finally:
        server.stop(0).wait(5)
