"""From attributes to the series of a sample, once for each set of attributes.

Attribute sets are remembered under their serialized bytes, within bounds: a producer repeats them
with every request, and to read them anew costs more than all the rest.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

from fedsight.signals import NAME_PATTERN, Series
from fedsight.telemetry.bridge.attributes import by_key, resource_attributes, scope_name, text

MOST_LABELS = 8
LONGEST_NAME = 128
LONGEST_TEXT = 256
LARGEST_ROUND = 1_000_000_000
#: Bytes of what points have in common.
LONGEST_ORIGIN = 16 * 1024
#: Attributes of ours, on a resource, a point, a span or a log record.
RUN, ROUND, NODE, PHASE = "fedsight.run", "fedsight.round", "fedsight.node", "fedsight.phase"
#: What a resource's attributes are called as labels; of several for one label the first counts.
OF_RESOURCE = (
    ("node", NODE),
    ("node", "host.name"),
    ("run", RUN),
    ("instance", "service.instance.id"),
)
#: What a point's own attribute is called where the resource has that label, as Prometheus does it.
EXPORTED = "exported_"
#: Series remembered, and bytes of their attributes, before all are forgotten.
REMEMBERED = 100_000
REMEMBERED_BYTES = 32 * 2**20

_NAME = re.compile(NAME_PATTERN)


class CannotCarryError(ValueError):
    """What a sample, event or span cannot be; the message says why."""


@dataclass(frozen=True, slots=True)
class Placed:
    """A series, and the round that its points belong to."""

    series: Series
    round: int


@dataclass(frozen=True, slots=True)
class Refused:
    """Attributes that cannot be labels, and why."""

    why: str


Place = Series | Placed | Refused


@dataclass(slots=True)
class Origin:
    """A resource and a scope: what their points have in common.

    `refused` is why none of their points can be carried; None where they can.
    """

    resource: dict[str, str]
    scope: str
    labels: dict[str, str]
    round: int | None
    refused: str | None
    #: By name: the series of its points, under the bytes of their attributes.
    families: dict[str, dict[Any, Any]] = field(default_factory=dict)
    #: By name: the unit that was said last.
    units: dict[str, str] = field(default_factory=dict)
    #: Bytes of its labels as text.
    size: int = 0
    #: Metrics that go into windows; None: not asked yet.
    wanted: frozenset[str] | None = None


def checked_name(name: str, what: str, most: int = LONGEST_NAME) -> str:
    """A name as signals may have it; raises CannotCarryError."""
    if len(name) > most or not _NAME.match(name) or name.endswith("\n"):
        raise CannotCarryError(
            f"{what} {name[:40]!r} must have at most {most} letters, digits and _.:- and"
            " begin with a letter or _"
        )
    return name


def checked_text(said: str, what: str) -> str:
    """A label's value as signals may have it; raises CannotCarryError."""
    if len(said) > LONGEST_TEXT:
        raise CannotCarryError(f"{what} must have at most {LONGEST_TEXT} characters")
    return said


def round_of(value: AnyValue | None) -> int | None:
    """The round that an attribute names; raises CannotCarryError where it is none."""
    if value is None:
        return None
    said = text(value)
    if not (said.isascii() and said.isdecimal() and len(said) <= 10 and int(said) <= LARGEST_ROUND):
        raise CannotCarryError(f"{ROUND} must be a whole number from 0 to {LARGEST_ROUND}")
    return int(said)


def origin_of(resource: bytes, scope: bytes, chosen: Iterable[str] = ()) -> Origin:
    """What a resource's and a scope's bytes say; `chosen` resource attributes become labels too.

    Raises protobuf's DecodeError.
    """
    if len(resource) + len(scope) > LONGEST_ORIGIN:
        told = f"resource and scope must have at most {LONGEST_ORIGIN} bytes"
        return Origin({}, "", {}, None, told)
    attributes = resource_attributes(resource)
    named = scope_name(scope)
    try:
        labels = _origin_labels(attributes, named, chosen)
        round_, why = round_of(attributes.get(ROUND)), None
    except CannotCarryError as error:
        labels, round_, why = {}, None, str(error)
    said = {key: text(value) for key, value in attributes.items()}
    return Origin(said, named, labels, round_, why, size=len(msgspec.json.encode(labels)))


def _origin_labels(
    attributes: Mapping[str, AnyValue], scope: str, chosen: Iterable[str]
) -> dict[str, str]:
    found: dict[str, str] = {}
    service = text(attributes.get("service.name", AnyValue()))
    namespace = text(attributes.get("service.namespace", AnyValue()))
    found["service"] = f"{namespace}/{service}" if namespace else service
    for label, key in (*OF_RESOURCE, *((key, key) for key in chosen)):
        if key in attributes and not found.get(label):
            found[label] = text(attributes[key])
    if scope != service:
        found["scope"] = scope
    return {
        checked_name(label, "the label"): checked_text(said, f"the label {label!r}")
        for label, said in found.items()
        if said
    }


def place_of(
    origin: Origin,
    name: str,
    attributes: Iterable[bytes],
    extra: Mapping[str, str],
    longest_name: int = LONGEST_NAME,
) -> Place:
    """The series `name` of an origin, with a point's own attributes and `extra` labels.

    Raises protobuf's DecodeError.
    """
    own = by_key(KeyValue.FromString(raw) for raw in attributes)
    try:
        if origin.refused is not None:
            raise CannotCarryError(origin.refused)
        round_ = round_of(own.pop(ROUND, None))
        round_ = origin.round if round_ is None else round_
        named = checked_name(name, "the name", longest_name)
        series = Series(named, _labels(origin.labels, own, extra))
    except CannotCarryError as error:
        return Refused(str(error))
    return series if round_ is None else Placed(series, round_)


def _labels(
    shared: Mapping[str, str], own: Mapping[str, AnyValue], extra: Mapping[str, str]
) -> dict[str, str]:
    labels = dict(shared)
    for key, value in own.items():
        label = {RUN: "run", NODE: "node"}.get(key)
        if label is None:
            label = f"{EXPORTED}{key}" if key in shared or key in extra else key
        said = checked_text(text(value), f"the label {key[:40]!r}")
        if said:
            labels[checked_name(label, "the label")] = said
    labels.update(extra)
    if len(labels) > MOST_LABELS:
        raise CannotCarryError(
            f"a series must have at most {MOST_LABELS} labels, got {len(labels)}:"
            f" {', '.join(labels)}"[:300]
        )
    return labels


class Interned:
    """Origins and their series by the bytes that say them, within bounds. For one thread at a time.

    `chosen`: resource attributes that become labels too. `longest_name`: characters that a series'
    name may have.
    """

    def __init__(self, chosen: tuple[str, ...] = (), longest_name: int = LONGEST_NAME) -> None:
        self._chosen = chosen
        self.longest_name = longest_name
        self._origins: dict[tuple[bytes, bytes], Origin] = {}
        self._count = 0
        self._bytes = 0

    @property
    def count(self) -> int:
        """Series that are remembered."""
        return self._count

    def origin(self, resource: bytes, scope: bytes) -> Origin:
        """Of this resource and scope; raises protobuf's DecodeError."""
        key = (resource, scope)
        found = self._origins.get(key)
        if found is None:
            self.make_room()
            found = self._origins[key] = origin_of(resource, scope, self._chosen)
            self._count += 1
            self._bytes += len(resource) + len(scope)
        return found

    def make_room(self) -> None:
        """Forget all where it is too much: before a request, or before a new origin of it.

        What a request has looked up stays its own.
        """
        if self._count >= REMEMBERED or self._bytes >= REMEMBERED_BYTES:
            self._origins.clear()
            self._count = self._bytes = 0

    def note(self, key: bytes | tuple[object, ...]) -> None:
        """One more series is remembered, under these bytes."""
        self._count += 1
        self._bytes += (
            len(key)
            if isinstance(key, bytes)
            else sum(len(part) for part in key if isinstance(part, bytes | str))
        )
