"""OTLP attributes: their values as text for labels, and as JSON for an event's details."""

from __future__ import annotations

import base64
import math
from collections.abc import Iterable, Mapping

import msgspec
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

from fedsight.signals import Json

#: How deep lists and maps may be nested in each other.
DEEPEST = 16

Value = str | bool | int | float
Attributes = Mapping[str, AnyValue]


def by_key(pairs: Iterable[KeyValue]) -> dict[str, AnyValue]:
    """Attributes by their names; of two of one name the later counts."""
    return {pair.key: pair.value for pair in pairs}


def resource_attributes(raw: bytes) -> dict[str, AnyValue]:
    """Those of a resource; raises protobuf's DecodeError."""
    return by_key(Resource.FromString(raw).attributes)


def scope_name(raw: bytes) -> str:
    """What the instrumentation calls itself; raises protobuf's DecodeError."""
    name: str = InstrumentationScope.FromString(raw).name
    return name


def text(value: AnyValue) -> str:
    """A value as a label: texts as they are, all else as JSON writes it; empty for no value.

    https://opentelemetry.io/docs/specs/otel/common/#attribute
    """
    if value.WhichOneof("value") == "string_value":
        said: str = value.string_value
        return said
    found = json_value(value)
    return "" if found is None else found if isinstance(found, str) else _encoded(found)


def _encoded(found: Json) -> str:
    return msgspec.json.encode(found).decode()


def json_value(value: AnyValue, depth: int = 0) -> Json:
    """A value as JSON; numbers that JSON lacks as text, bytes in base 64, what is too deep None."""
    kind = value.WhichOneof("value")
    if kind in ("array_value", "kvlist_value"):
        if depth >= DEEPEST:
            return None
        if kind == "array_value":
            return [json_value(item, depth + 1) for item in value.array_value.values]
        return {pair.key: json_value(pair.value, depth + 1) for pair in value.kvlist_value.values}
    if kind == "double_value":
        number: float = value.double_value
        return number if math.isfinite(number) else str(number)
    if kind == "bytes_value":
        return base64.b64encode(value.bytes_value).decode()
    return None if kind is None else getattr(value, kind)


def json_values(attributes: Attributes) -> dict[str, Json]:
    """All of them as JSON."""
    return {key: json_value(value) for key, value in attributes.items()}
