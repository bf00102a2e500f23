"""A logs request as events.

https://opentelemetry.io/docs/specs/otel/logs/data-model/
"""

from __future__ import annotations

from typing import Any

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from fedsight.signals import Batch, Event
from fedsight.telemetry.bridge.attributes import by_key, json_value
from fedsight.telemetry.bridge.found import bad_time
from fedsight.telemetry.bridge.metrics import MalformedError
from fedsight.telemetry.bridge.room import Room
from fedsight.telemetry.bridge.series import NODE, CannotCarryError
from fedsight.telemetry.bridge.told import SOURCE, Sender, details_of, whose
from fedsight.telemetry.bridge.verdict import Verdict

KIND = "OTLP_LOG"


class LogsReader:
    """Reads requests. `severity`: the least that is kept; what names none is kept."""

    def __init__(self, severity: int) -> None:
        self._severity = severity

    def read(self, body: bytes) -> tuple[Batch, Verdict]:
        """The events of an ExportLogsServiceRequest; raises MalformedError."""
        try:
            request = ExportLogsServiceRequest.FromString(body)
        except DecodeError as error:
            raise MalformedError(f"the body is no logs request of OTLP: {error}") from None
        events, verdict, room = list[Event](), Verdict(), Room(len(body))
        for of_resource in request.resource_logs:
            for of_scope in of_resource.scope_logs:
                sender = Sender.of(of_resource.resource, of_scope.scope)
                for record in of_scope.log_records:
                    self._record(record, sender, room, events, verdict)
        verdict.taken, verdict.size = len(events), room.size
        return Batch(events=events), verdict

    def _record(
        self, record: Any, sender: Sender, room: Room, events: list[Event], verdict: Verdict
    ) -> None:
        if 0 < record.severity_number < self._severity:
            verdict.left_out += 1
            return
        try:
            event = _event(record, sender)
            room.take(event)
            events.append(event)
        except CannotCarryError as error:
            verdict.reject(str(error))


def _event(record: Any, sender: Sender) -> Event:
    time = record.time_unix_nano or record.observed_time_unix_nano
    why = bad_time(time)
    if why is not None:
        raise CannotCarryError(why)
    own = by_key(record.attributes)
    of = whose(own, sender, NODE, "host.name")
    details = details_of(
        own,
        sender,
        {
            "severity": record.severity_number or None,
            "severity_text": record.severity_text,
            "event_name": record.event_name,
            "body": json_value(record.body),
            "trace_id": record.trace_id.hex(),
            "span_id": record.span_id.hex(),
        },
    )
    return Event(time, SOURCE, KIND, of.run, of.round, of.node, details)
