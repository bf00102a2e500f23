"""OTLP's JSON into its protobuf, and answers back.

It is protobuf's JSON but for ids, which are hexadecimal, and enumerations, which are numbers.
https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding
"""

from __future__ import annotations

import base64
import json
from typing import Any

import msgspec
from google.protobuf import json_format
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from fedsight.telemetry.bridge.bridge import PARTS
from fedsight.telemetry.bridge.metrics import MalformedError
from fedsight.telemetry.bridge.verdict import Verdict

REQUESTS: dict[str, Any] = {
    "metrics": ExportMetricsServiceRequest,
    "logs": ExportLogsServiceRequest,
    "traces": ExportTraceServiceRequest,
}
IDS = frozenset({"traceId", "spanId", "parentSpanId", "trace_id", "span_id", "parent_span_id"})
#: How deep a body may be nested; beyond, reading it would not end well.
DEEPEST = 60
REJECTED = {
    "metrics": "rejectedDataPoints",
    "logs": "rejectedLogRecords",
    "traces": "rejectedSpans",
}


def to_protobuf(signal: str, body: bytes) -> bytes:
    """The same request, serialized; raises MalformedError."""
    message = REQUESTS[signal]()
    try:
        said = json.loads(body)
        if not isinstance(said, dict):
            raise ValueError("it must be an object")
        _with_bytes(said, 0)
        json_format.ParseDict(said, message, ignore_unknown_fields=True)
        found: bytes = message.SerializeToString()
    except (ValueError, json_format.ParseError, RecursionError, TypeError) as error:
        said_of = str(error)[:300] or type(error).__name__
        raise MalformedError(f"the body is no {signal} request of OTLP: {said_of}") from None
    return found


def _with_bytes(said: Any, depth: int) -> None:
    """Put ids as base 64, which is how protobuf's own JSON has bytes."""
    if depth > DEEPEST:
        raise ValueError("it is nested too deeply")
    if isinstance(said, list):
        for item in said:
            _with_bytes(item, depth + 1)
    elif isinstance(said, dict):
        for key, value in said.items():
            if key in IDS and isinstance(value, str):
                said[key] = base64.b64encode(bytes.fromhex(value)).decode()
            elif isinstance(value, dict | list):
                _with_bytes(value, depth + 1)


def answer(verdict: Verdict, signal: str) -> bytes:
    """The answer of the signal's service."""
    message = verdict.message(PARTS[signal])
    if not message:
        return b"{}"
    partial = {"errorMessage": message}
    if verdict.refused:
        partial[REJECTED[signal]] = str(verdict.refused)
    return msgspec.json.encode({"partialSuccess": partial})


def status(code: int, message: str) -> bytes:
    """A google.rpc.Status."""
    return msgspec.json.encode({"code": code, "message": message})
