"""Log records become events, spans of a round become spans."""

from __future__ import annotations

from typing import Any

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from fedsight.journal.codec import Codec
from fedsight.signals import Span
from fedsight.telemetry.bridge.logs import LogsReader
from fedsight.telemetry.bridge.metrics import MalformedError
from fedsight.telemetry.bridge.room import Room
from fedsight.telemetry.bridge.traces import TracesReader
from tests.telemetry.bridge.asked import NOW, any_value, log, put, span

ROUND = {"fedsight.run": "r-1", "fedsight.round": 3, "fedsight.phase": "train"}


def test_a_log_record_is_an_event_of_our_kind() -> None:
    body = log(
        severity_number=17,
        severity_text="ERROR",
        body=any_value("disk is full"),
        event_name="RUN_ENDED",
        trace_id=bytes(16),
        attributes={"fedsight.run": "r-1", "fedsight.round": 2, "path": "data"},
    )
    batch, verdict = LogsReader(9).read(body)
    (event,) = batch.events
    assert (event.source, event.kind, event.time) == ("otlp", "OTLP_LOG", NOW)
    assert (event.run, event.round, event.node) == ("r-1", 2, "edge-1")
    assert event.details == {
        "severity": 17,
        "severity_text": "ERROR",
        "event_name": "RUN_ENDED",
        "body": "disk is full",
        "trace_id": "0" * 32,
        "service": "shop",
        "attributes": {"path": "data"},
    }
    assert (verdict.taken, verdict.refused) == (1, 0)


def test_records_of_little_weight_are_left_out_and_not_rejected() -> None:
    reader = LogsReader(9)
    assert reader.read(log(severity_number=5))[1].left_out == 1
    assert reader.read(log(severity_number=0))[1].taken == 1


LONG = {"fedsight.run": "r" * 250, "fedsight.node": "n" * 250, "fedsight.round": 1}


def logs(times: int) -> bytes:
    """One log record so often, of a resource and scope with long names."""
    request = ExportLogsServiceRequest.FromString(log())
    put(request.resource_logs[0].resource.attributes, LONG)
    (of_scope,) = request.resource_logs[0].scope_logs
    of_scope.scope.name = "s" * 250
    of_scope.log_records.extend([of_scope.log_records[0]] * (times - 1))
    return bytes(request.SerializeToString())


def spans(times: int, attributes: dict[str, Any]) -> bytes:
    """One span so often."""
    request = ExportTraceServiceRequest.FromString(span(attributes))
    put(request.resource_spans[0].resource.attributes, LONG)
    (of_scope,) = request.resource_spans[0].scope_spans
    of_scope.scope.name = "s" * 250
    of_scope.spans.extend([of_scope.spans[0]] * (times - 1))
    return bytes(request.SerializeToString())


@pytest.mark.parametrize(
    ("reader", "body"),
    [
        (LogsReader(9), logs(5000)),
        (
            TracesReader(True),
            spans(10_000, {"fedsight.phase": "train"}),
        ),
        (TracesReader(True), spans(5000, {})),
    ],
)
def test_what_a_request_comes_to_is_bounded(reader: Any, body: bytes) -> None:
    batch, verdict = reader.read(body)
    size, most = len(Codec().encode(batch)), Room(len(body)).most
    assert most / 2 < size < verdict.size <= most
    assert verdict.taken == len(batch.events) + len(batch.spans)
    assert verdict.refused > 0
    assert verdict.taken + verdict.refused in (5000, 10_000)
    assert f"a request must come to at most {most} bytes" in verdict.message("records")


@pytest.mark.parametrize("named", ["service.name", "scope"])
def test_a_name_that_every_event_repeats_is_as_short_as_a_label(named: str) -> None:
    request = ExportLogsServiceRequest.FromString(log())
    (of_resource,) = request.resource_logs
    if named == "scope":
        of_resource.scope_logs[0].scope.name = "x" * 257
    else:
        put(of_resource.resource.attributes, {named: "x" * 257})
    batch, verdict = LogsReader(9).read(request.SerializeToString())
    assert (batch.events, verdict.refused) == ([], 1)
    assert "name must have at most 256 characters" in verdict.message("log records")


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (log(time=0), "the time is 0"),
        (log(body=any_value("x" * 20_000)), "at most 16384 bytes"),
        (log(attributes={"fedsight.run": "x" * 300}), "fedsight.run must have at most 256"),
        (log(attributes={"fedsight.round": -1}), "fedsight.round must be"),
    ],
)
def test_a_record_that_cannot_be_an_event_is_rejected(body: bytes, why: str) -> None:
    batch, verdict = LogsReader(9).read(body)
    assert batch.events == []
    assert why in verdict.message("log records")


def test_a_record_without_a_time_has_that_of_its_observation() -> None:
    batch, _ = LogsReader(9).read(log(time=0, observed_time_unix_nano=NOW + 5))
    assert batch.events[0].time == NOW + 5


def test_a_span_of_a_round_is_a_span() -> None:
    batch, _ = TracesReader(False).read(span({**ROUND, "fedsight.node": "n-1"}))
    assert batch.spans == [Span("r-1", 3, "n-1", "train", NOW, NOW + 10**9, True)]
    failed = span(ROUND, status={"code": 2})
    assert TracesReader(False).read(failed)[0].spans == [
        Span("r-1", 3, None, "train", NOW, NOW + 10**9, False)
    ]


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (span({}), 'bridge.spans = "all"'),
        (span({**ROUND, "fedsight.phase": "lunch"}), "must be one of queued"),
        (span({"fedsight.phase": "train"}), "must have fedsight.run and fedsight.round"),
        (span(ROUND, start=NOW + 1, end=NOW), "must not end before it starts"),
        (span(ROUND, end=0), "the time is 0"),
    ],
)
def test_other_spans_are_rejected_with_the_reason(body: bytes, why: str) -> None:
    batch, verdict = TracesReader(False).read(body)
    assert (batch.spans, batch.events) == ([], [])
    assert why in verdict.message("spans")


def test_other_spans_are_events_where_that_is_wanted() -> None:
    batch, _ = TracesReader(True).read(span({"http.route": "/"}, name="GET /", span_id=b"\x01" * 8))
    (event,) = batch.events
    assert (event.source, event.kind, event.node) == ("otlp", "OTLP_SPAN", "edge-1")
    assert event.details["name"] == "GET /"
    assert event.details["seconds"] == 1.0
    assert event.details["attributes"] == {"http.route": "/"}


@pytest.mark.parametrize("reader", [LogsReader(9), TracesReader(False)])
def test_what_is_no_request_is_malformed(reader: Any) -> None:
    with pytest.raises(MalformedError):
        reader.read(b"\x0a\x05hello")
