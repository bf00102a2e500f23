"""What log records and spans have in common: whose they are, and details of a bounded size."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from opentelemetry.proto.common.v1.common_pb2 import AnyValue

from fedsight.signals import Json
from fedsight.telemetry.bridge.attributes import by_key, json_values, text
from fedsight.telemetry.bridge.series import (
    NODE,
    ROUND,
    RUN,
    CannotCarryError,
    checked_text,
    round_of,
)

#: Of every event that is made of what was sent: never a name that the sender chose.
SOURCE = "otlp"
#: Bytes of an event's details, as JSON.
MOST_DETAILS = 16 * 1024


@dataclass(frozen=True, slots=True)
class Sender:
    """A resource and a scope, as an event's details name them."""

    attributes: dict[str, AnyValue]
    service: str
    scope: str

    @classmethod
    def of(cls, resource: Any, scope: Any) -> Sender:
        """From OTLP's messages."""
        attributes = by_key(resource.attributes)
        service = text(attributes.get("service.name", AnyValue()))
        return cls(attributes, service, scope.name)


@dataclass(frozen=True, slots=True)
class Whose:
    """The run, round and node that attributes name; None where they name none."""

    run: str | None
    round: int | None
    node: str | None


def whose(own: Mapping[str, AnyValue], sender: Sender, *node_keys: str) -> Whose:
    """From a record's or span's own attributes, else its resource's; raises CannotCarryError."""
    return Whose(
        _said(own, sender, RUN),
        round_of(own.get(ROUND, sender.attributes.get(ROUND))),
        next((node for key in node_keys if (node := _said(own, sender, key))), None),
    )


def _said(own: Mapping[str, AnyValue], sender: Sender, key: str) -> str | None:
    value = own.get(key, sender.attributes.get(key))
    return None if value is None else checked_text(text(value), key) or None


def details_of(
    own: Mapping[str, AnyValue], sender: Sender, found: dict[str, Json]
) -> dict[str, Json]:
    """What is known of `found`, with the sender and the attributes; raises CannotCarryError."""
    attributes = {key: value for key, value in own.items() if key not in (RUN, ROUND, NODE)}
    found |= {
        "service": checked_text(sender.service, "service.name"),
        "scope": checked_text(sender.scope, "the scope's name"),
        "attributes": json_values(attributes),
    }
    details = {key: value for key, value in found.items() if value not in ("", None, {})}
    size = len(msgspec.json.encode(details))
    if size > MOST_DETAILS:
        raise CannotCarryError(f"its details must have at most {MOST_DETAILS} bytes")
    return details
