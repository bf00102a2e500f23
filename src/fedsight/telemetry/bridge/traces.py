"""A traces request as spans of rounds, and others as events where that is wanted.

https://opentelemetry.io/docs/specs/otel/trace/api/
"""

from __future__ import annotations

from typing import Any, cast, get_args

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from fedsight.signals import Batch, Event, Phase, Span
from fedsight.telemetry.bridge.attributes import by_key, text
from fedsight.telemetry.bridge.found import bad_time
from fedsight.telemetry.bridge.metrics import MalformedError
from fedsight.telemetry.bridge.room import Room
from fedsight.telemetry.bridge.series import NODE, PHASE, ROUND, RUN, CannotCarryError
from fedsight.telemetry.bridge.told import SOURCE, Sender, details_of, whose
from fedsight.telemetry.bridge.verdict import Verdict

KIND = "OTLP_SPAN"
PHASES = get_args(Phase)
ERROR = 2
OF_NO_ROUND = (
    f"a span without {PHASE} belongs to no round; the bridge keeps such spans with"
    ' bridge.spans = "all"'
)


class TracesReader:
    """Reads requests. `all_spans`: those of no round become events."""

    def __init__(self, all_spans: bool) -> None:
        self._all = all_spans

    def read(self, body: bytes) -> tuple[Batch, Verdict]:
        """The spans and events of an ExportTraceServiceRequest; raises MalformedError."""
        try:
            request = ExportTraceServiceRequest.FromString(body)
        except DecodeError as error:
            raise MalformedError(f"the body is no traces request of OTLP: {error}") from None
        found, verdict, room = Batch(), Verdict(), Room(len(body))
        for of_resource in request.resource_spans:
            for of_scope in of_resource.scope_spans:
                sender = Sender.of(of_resource.resource, of_scope.scope)
                for span in of_scope.spans:
                    try:
                        self._span(span, sender, room, found)
                    except CannotCarryError as error:
                        verdict.reject(str(error))
        verdict.taken, verdict.size = len(found.spans) + len(found.events), room.size
        return found, verdict

    def _span(self, span: Any, sender: Sender, room: Room, found: Batch) -> None:
        start, end = span.start_time_unix_nano, span.end_time_unix_nano
        why = bad_time(start) or bad_time(end)
        if why is not None:
            raise CannotCarryError(why)
        if end < start:
            raise CannotCarryError("a span must not end before it starts")
        own = by_key(span.attributes)
        if PHASE in own:
            of_a_round = _of_a_round(span, own, sender)
            room.take(of_a_round)
            found.spans.append(of_a_round)
        elif self._all:
            event = _event(span, own, sender)
            room.take(event)
            found.events.append(event)
        else:
            raise CannotCarryError(OF_NO_ROUND)


def _of_a_round(span: Any, own: dict[str, Any], sender: Sender) -> Span:
    of = whose(own, sender, NODE)
    phase = text(own[PHASE])
    if phase not in PHASES:
        raise CannotCarryError(f"{PHASE} must be one of {', '.join(PHASES)}, got {phase[:40]!r}")
    if of.run is None or of.round is None:
        raise CannotCarryError(f"a span with {PHASE} must have {RUN} and {ROUND}")
    start, end = span.start_time_unix_nano, span.end_time_unix_nano
    ok = span.status.code != ERROR
    return Span(of.run, of.round, of.node, cast(Phase, phase), start, end, ok)


def _event(span: Any, own: dict[str, Any], sender: Sender) -> Event:
    of = whose(own, sender, NODE, "host.name")
    start, end = span.start_time_unix_nano, span.end_time_unix_nano
    details = details_of(
        own,
        sender,
        {
            "name": span.name,
            "seconds": (end - start) / 1e9,
            "ok": span.status.code != ERROR,
            "message": span.status.message,
            "trace_id": span.trace_id.hex(),
            "span_id": span.span_id.hex(),
            "parent_span_id": span.parent_span_id.hex(),
        },
    )
    return Event(start, SOURCE, KIND, of.run, of.round, of.node, details)
