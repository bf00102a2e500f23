"""The peer that takes OTLP over gRPC with a loop over every point, and keeps nothing.

What a first version of such a server does: the official classes, one sample at a time with its
labels read anew. It checks nothing, stores nothing and answers as soon as it has read.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import grpc
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)

from fedsight.signals import Sample
from fedsight.telemetry.bridge.grpc_door import SERVICES


def decoded(body: bytes) -> list[Sample]:
    """Every number point as a sample."""
    found: list[Sample] = []
    for of_resource in ExportMetricsServiceRequest.FromString(body).resource_metrics:
        shared = {each.key: _text(each.value) for each in of_resource.resource.attributes}
        for of_scope in of_resource.scope_metrics:
            for metric in of_scope.metrics:
                data = metric.gauge if metric.HasField("gauge") else metric.sum
                for point in data.data_points:
                    labels = dict(shared)
                    for each in point.attributes:
                        labels[each.key] = _text(each.value)
                    number = point.WhichOneof("value")
                    value = float(getattr(point, number)) if number else 0.0
                    found.append(Sample(point.time_unix_nano, metric.name, value, None, labels))
    return found


def _text(value: Any) -> str:
    kind = value.WhichOneof("value")
    return "" if kind is None else str(getattr(value, kind))


async def _export(body: bytes, _: Any) -> bytes:
    decoded(body)
    return b""


async def _serve(port: int) -> None:
    server = grpc.aio.server()
    handler = {"Export": grpc.unary_unary_rpc_method_handler(_export)}
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler(SERVICES["metrics"], handler),)
    )
    server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    await server.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1])))
