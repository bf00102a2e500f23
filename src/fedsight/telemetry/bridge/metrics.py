"""A metrics request as samples: pure but for what it remembers of series.

https://opentelemetry.io/docs/specs/otel/metrics/data-model/
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from google.protobuf.message import DecodeError

from fedsight.signals import SampleColumns
from fedsight.telemetry.bridge import wire
from fedsight.telemetry.bridge.distributions import exponential, histogram, summary
from fedsight.telemetry.bridge.found import (
    NO_START,
    Columns,
    Gathered,
    IrregularError,
    Wanted,
    bad_time,
)
from fedsight.telemetry.bridge.patterns import Pattern, Patterns
from fedsight.telemetry.bridge.room import Room
from fedsight.telemetry.bridge.series import CannotCarryError, Interned, Origin, Place, place_of
from fedsight.telemetry.bridge.verdict import Verdict
from fedsight.telemetry.windows.sorting import Point

#: Bytes of attributes beyond which a point's series is not remembered.
LONGEST_KEY = 4096
#: What the names of deltas end with: they are no counters, and must not be mixed with them.
DELTA = "_delta"
NO_VALUE = "it has no value"
NO_DATA = "the metric has no data of a known kind"

#: Metrics that windows want of a resource and scope.
Wants = Callable[[Origin], frozenset[str]]


class MalformedError(ValueError):
    """A request that is not what OTLP says it is; nothing of it was taken."""


@dataclass(frozen=True, slots=True)
class UnitChange:
    """A metric that had another unit before."""

    origin: Origin
    name: str
    before: str
    after: str


@dataclass(slots=True)
class Reading:
    """What a metrics request comes to. `windows`: points for them, by origin; `unmatched`: points
    by metric that no window wants."""

    samples: SampleColumns
    verdict: Verdict
    windows: list[tuple[Origin, list[Point]]] = field(default_factory=list)
    units: list[UnitChange] = field(default_factory=list)
    unmatched: dict[str, int] = field(default_factory=dict)
    #: The first and the last time; None without samples.
    times: tuple[int, int] | None = None


@dataclass(slots=True)
class _Request:
    """What is gathered while a request is read. `by_layout`: whether the short way is open."""

    by_layout: bool
    room: Room
    #: All its points in their order; None once one was not laid out as usual.
    raw: list[bytes] | None = field(default_factory=list)
    gathered: Gathered = field(default_factory=Gathered)
    units: list[UnitChange] = field(default_factory=list)
    points: int = 0
    unmatched: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Known:
    """What is the same of all requests of one pattern."""

    wanted: list[Wanted]
    unmatched: dict[str, int]
    size: int


class MetricsReader:
    """Reads requests, for one thread at a time. `wants` is asked once for each origin."""

    def __init__(self, interned: Interned, wants: Wants) -> None:
        self._interned = interned
        self._wants = wants
        self._patterns = Patterns()

    def read(self, body: bytes, *, by_layout: bool = True) -> Reading:
        """The samples of an ExportMetricsServiceRequest; raises MalformedError.

        `by_layout`: number points are read by their layout where they have the usual one; what
        comes out is the same.
        """
        if by_layout:
            for pattern in self._patterns.candidates(body):
                found = pattern.read(body)
                if found is not None:
                    return _alike(pattern, *found)
        return self._parsed(body, by_layout)

    def _parsed(self, body: bytes, by_layout: bool) -> Reading:
        self._interned.make_room()
        try:
            message = wire.Metrics.FromString(body)
            request = _Request(by_layout, Room(len(body)))
            self._gather(message, request)
        except DecodeError as error:
            raise MalformedError(f"the body is no metrics request of OTLP: {error}") from None
        if request.room.fit(request.gathered):
            request.raw = None
        try:
            columns = request.gathered.columns()
        except IrregularError:
            return self._parsed(body, by_layout=False)
        reading = _reading(request, columns)
        if request.units:
            self._patterns.forget()
        elif by_layout and request.raw and columns.at is None and self._patterns.wanted(body):
            known = _Known(request.gathered.wanted, request.unmatched, request.room.size)
            self._patterns.learn(body, request.raw, reading.samples, columns, known)
        return reading

    def _gather(self, message: Any, request: _Request) -> None:
        for of_resource in message.resource_metrics:
            for of_scope in of_resource.scope_metrics:
                origin = self._origin(of_resource.resource, of_scope.scope)
                for metric in of_scope.metrics:
                    before = len(request.gathered.places)
                    self._metric(origin, metric, request)
                    count = len(request.gathered.places) - before
                    request.room.points(count, metric.name, origin.size)

    def _origin(self, resource: bytes, scope: bytes) -> Origin:
        origin = self._interned.origin(resource, scope)
        if origin.wanted is None:
            origin.wanted = self._wants(origin)
        return origin

    def _metric(self, origin: Origin, metric: Any, request: _Request) -> None:
        name, unit = metric.name, metric.unit
        known = origin.units.get(name)
        if known is None:
            origin.units[name] = unit
            self._interned.note((name, unit))
        elif known != unit:
            request.units.append(UnitChange(origin, name, known, unit))
            origin.units[name] = unit
        first = len(request.gathered.places)
        if metric.HasField("gauge"):
            self._numbers(origin, name, metric.gauge, request)
        elif metric.HasField("sum"):
            name = name + DELTA if metric.sum.temporality == wire.DELTA else name
            self._numbers(origin, name, metric.sum, request)
        else:
            self._distribution(origin, metric, request)
            return
        points = len(request.gathered.places) - first
        if name in (origin.wanted or ()):
            request.gathered.wanted.append(Wanted(origin, name, unit, first, first + points))
        else:
            self._unmatched(request, name, points)

    def _unmatched(self, request: _Request, name: str, points: int) -> None:
        request.unmatched[name] = request.unmatched.get(name, 0) + points

    def _numbers(self, origin: Origin, name: str, data: Any, request: _Request) -> None:
        raw = list(data.data_points)
        if not raw:
            return
        request.points += len(raw)
        family = origin.families.setdefault(name, {})
        if request.by_layout:
            start = 27 if raw[0][:1] == NO_START[:1] else 18
            rests = [point[start:] for point in raw]
            places = self._found(origin, name, family, rests)
            if places is not None:
                heads = [point[:27] for point in raw]
                if start == 18:
                    heads = [NO_START + point[:18] for point in raw]
                request.gathered.heads += heads
                request.gathered.places += places
                if request.raw is not None:
                    request.raw += raw
                return
        request.raw = None
        for point in raw:
            self._number(origin, name, family, wire.Number.FromString(point), request.gathered)

    def _found(
        self, origin: Origin, name: str, family: dict[Any, Any], rests: list[bytes]
    ) -> list[Place | None] | None:
        """The places of points by their bytes after the head; None where one is no such key."""
        try:
            return list(map(family.__getitem__, rests))
        except KeyError:
            pass
        try:
            return [self._known(origin, name, family, rest) for rest in rests]
        except (IrregularError, DecodeError):
            return None

    def _known(self, origin: Origin, name: str, family: dict[Any, Any], rest: bytes) -> Any:
        """The place of a point whose bytes after its head are these."""
        if rest in family:
            return family[rest]
        point = wire.Number.FromString(rest)
        point.DiscardUnknownFields()
        odd = point.start or point.time or point.HasField("as_double") or point.HasField("as_int")
        if odd or point.ByteSize() != len(rest) or len(rest) > LONGEST_KEY:
            raise IrregularError
        place = None
        if not point.flags & wire.NO_RECORDED_VALUE:
            place = self._place(origin, name, family, tuple(point.attributes), {})
        family[rest] = place
        self._interned.note(rest)
        return place

    def _number(
        self, origin: Origin, name: str, family: dict[Any, Any], point: Any, gathered: Gathered
    ) -> None:
        if point.flags & wire.NO_RECORDED_VALUE:
            gathered.add(None, 0, 0.0)
            return
        if point.HasField("as_int"):
            value = float(point.as_int)
        elif point.HasField("as_double"):
            value = point.as_double
        else:
            gathered.verdict.reject(NO_VALUE)
            return
        place = self._place(origin, name, family, tuple(point.attributes), {})
        gathered.add(place, point.time, value)

    def _place(
        self,
        origin: Origin,
        name: str,
        family: dict[Any, Any],
        attributes: tuple[bytes, ...],
        extra: dict[str, str],
    ) -> Place:
        key = (*attributes, *extra.items())
        if key in family:
            found: Place = family[key]
            return found
        place = place_of(origin, name, attributes, extra, self._interned.longest_name)
        if sum(map(len, attributes)) <= LONGEST_KEY:
            family[key] = place
            self._interned.note(key)
        return place

    def _distribution(self, origin: Origin, metric: Any, request: _Request) -> None:
        request.raw = None
        kinds = (
            ("histogram", wire.Histogram, histogram),
            ("exponential_histogram", wire.Exponential, exponential),
            ("summary", wire.Summary, summary),
        )
        for field_name, message, figures_of in kinds:
            if metric.HasField(field_name):
                data = getattr(metric, field_name)
                delta = field_name != "summary" and data.temporality == wire.DELTA
                name = metric.name + DELTA if delta else metric.name
                self._unmatched(request, metric.name, len(data.data_points))
                for raw in data.data_points:
                    request.points += 1
                    self._distributed(
                        origin, name, message.FromString(raw), figures_of, request.gathered
                    )
                return
        request.points += 1
        request.gathered.verdict.reject(NO_DATA)

    def _distributed(
        self, origin: Origin, name: str, point: Any, figures_of: Any, gathered: Gathered
    ) -> None:
        """All figures of one point, or none of them."""
        if point.flags & wire.NO_RECORDED_VALUE:
            gathered.verdict.absent += 1
            return
        try:
            why = bad_time(point.time)
            if why is not None:
                raise CannotCarryError(why)
            attributes = tuple(point.attributes)
            places = []
            for suffix, extra, value in figures_of(point):
                family = origin.families.setdefault(name + suffix, {})
                place = self._place(origin, name + suffix, family, attributes, extra)
                refused = getattr(place, "why", None)
                if refused is not None:
                    raise CannotCarryError(refused)
                places.append((place, value))
        except CannotCarryError as error:
            gathered.verdict.reject(str(error))
            return
        first = len(gathered.places)
        for place, value in places:
            gathered.add(place, point.time, value)
        gathered.groups.append((first, len(gathered.places)))


def _alike(pattern: Pattern, samples: SampleColumns, columns: Columns) -> Reading:
    """What a request comes to that is like one before."""
    known = pattern.made
    assert isinstance(known, _Known)
    verdict = Verdict(taken=len(columns.time), size=known.size)
    times = int(columns.time.min()), int(columns.time.max())
    return Reading(samples, verdict, _of_windows(known.wanted, columns), [], known.unmatched, times)


def _of_windows(wanted: list[Wanted], columns: Columns) -> list[tuple[Origin, list[Point]]]:
    if not wanted:
        return []
    kept = columns.kept()
    return [(each.origin, columns.points(each, kept)) for each in wanted]


def _reading(request: _Request, columns: Columns) -> Reading:
    verdict = request.gathered.verdict
    verdict.taken = request.points - verdict.refused - verdict.absent
    verdict.size = request.room.size
    windows = _of_windows(request.gathered.wanted, columns)
    samples, times = columns.samples()
    return Reading(samples, verdict, windows, request.units, request.unmatched, times)
