"""The numbers of one metrics request, gathered as bytes and read at once as columns."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field, replace
from typing import cast

import numpy as np
from numpy.typing import NDArray

from fedsight.signals import Round, SampleColumns, Series
from fedsight.telemetry.bridge.series import Origin, Place, Placed, Refused
from fedsight.telemetry.bridge.verdict import Verdict
from fedsight.telemetry.windows.sorting import Point

#: A number point up to its attributes, as writers of fields in order put it: a tag before each of
#: start, time and value. https://protobuf.dev/programming-guides/encoding/
HEAD = np.dtype(
    [("a", "u1"), ("start", "<u8"), ("b", "u1"), ("time", "<u8"), ("c", "u1"), ("value", "<f8")]
)
START, TIME, DOUBLE, INTEGER = 0x11, 0x19, 0x21, 0x31
#: What stands in the place of a start that was not sent.
NO_START = bytes((START, *bytes(8)))
PACK = struct.Struct("<BQBQBd").pack

#: Unix nanoseconds. Before 2000 it is seconds or milliseconds in the place of nanoseconds.
EARLIEST = 946_684_800_000_000_000
LATEST = 7_258_118_400_000_000_000


class IrregularError(ValueError):
    """A point that is not laid out as most are: it has to be read field by field."""


def bad_time(time: int) -> str | None:
    """Why a time cannot be that of a signal; None where it can."""
    if time == 0:
        return "the time is 0, that is unknown"
    if time < EARLIEST:
        return "the time is before 2000: it must count nanoseconds"
    return "the time is after 2200: it must count nanoseconds" if time > LATEST else None


def columns_of(blob: bytes) -> tuple[NDArray[np.uint64], NDArray[np.float64]]:
    """Times and values of heads; raises IrregularError where one has other tags."""
    table = np.frombuffer(blob, HEAD)
    kind = table["c"]
    integer = kind == INTEGER
    if not (
        (table["a"] == START).all()
        and (table["b"] == TIME).all()
        and (integer | (kind == DOUBLE)).all()
    ):
        raise IrregularError
    value = table["value"].copy()
    if integer.any():
        value = np.where(integer, value.view("<i8").astype(np.float64), value)
    return table["time"], value


@dataclass(slots=True)
class Wanted:
    """Points from `first` to `last` of a request, of one metric that a window's rule asks for."""

    origin: Origin
    name: str
    unit: str
    first: int
    last: int


@dataclass(slots=True)
class Gathered:
    """Heads and places of points, index by index, and what could not be taken.

    A place None is a point that says that nothing was measured.
    """

    heads: list[bytes] = field(default_factory=list)
    places: list[Place | None] = field(default_factory=list)
    wanted: list[Wanted] = field(default_factory=list)
    verdict: Verdict = field(default_factory=Verdict)
    #: Where points begin and end that came to several numbers, or to none.
    groups: list[tuple[int, int]] = field(default_factory=list)

    def add(self, place: Place | None, time: int, value: float) -> None:
        """One number that was read field by field."""
        self.heads.append(PACK(START, 0, TIME, time, DOUBLE, value))
        self.places.append(place)

    def cut(self, at: int, why: str) -> None:
        """Reject all points from the number `at` on, and the whole of the point that it is of."""
        beyond = [group for group in self.groups if group[1] > at]
        if beyond:
            at = min(at, beyond[0][0])
        numbers = sum(last - first for first, last in beyond)
        self.verdict.reject(why, len(self.places) - at - numbers + len(beyond))
        del self.heads[at:], self.places[at:]
        self.wanted = [
            replace(each, last=min(each.last, at)) for each in self.wanted if each.first < at
        ]

    def columns(self) -> Columns:
        """All of them as arrays; raises IrregularError where a head is not laid out so."""
        blob = b"".join(self.heads)
        if len(blob) != HEAD.itemsize * len(self.heads):
            raise IrregularError
        return self._kept(Columns(list(self.places), *columns_of(blob)))

    def _kept(self, columns: Columns) -> Columns:
        """Those that can be carried; the others are counted."""
        time, value = columns.time, columns.value
        late = (time < EARLIEST) | (time > LATEST)
        finite = np.isfinite(value)
        kinds = set(map(type, columns.places))
        if kinds <= {Series, Placed} and finite.all() and not late.any():
            columns.plain = Placed not in kinds
            return columns
        keep = [
            at
            for at, (place, fits) in enumerate(zip(columns.places, finite.tolist(), strict=True))
            if self._fits(place, int(time[at]) if late[at] else None, fits)
        ]
        columns.at = np.asarray(keep, np.int64)
        return columns

    def _fits(self, place: Place | None, bad: int | None, finite: bool) -> bool:
        if isinstance(place, Refused):
            self.verdict.reject(place.why)
        elif place is None:
            self.verdict.absent += 1
        elif bad is not None:
            self.verdict.reject(bad_time(bad) or "the time cannot be")
        elif not finite:
            self.verdict.absent += 1
            self.verdict.not_finite += 1
        else:
            return True
        return False


@dataclass(slots=True)
class Columns:
    """Points as columns; `at` says which of them are kept, None: all. `plain`: all places are
    series."""

    places: list[Place | None]
    time: NDArray[np.uint64]
    value: NDArray[np.float64]
    at: NDArray[np.int64] | None = None
    plain: bool = False

    def all_fit(self) -> bool:
        """Whether every time and value can be carried."""
        time = self.time
        if not len(time):
            return True
        timely = int(time.min()) >= EARLIEST and int(time.max()) <= LATEST
        return timely and bool(np.isfinite(self.value).all())

    def samples(self) -> tuple[SampleColumns, tuple[int, int] | None]:
        """What is kept, as signals have it, and its first and last time."""
        places, time, value = self.places, self.time, self.value
        if self.at is not None:
            places = [self.places[at] for at in self.at.tolist()]
            time, value = time[self.at], value[self.at]
        if not places:
            return SampleColumns(), None
        series, rounds = (
            (cast(list[Series], places), cast(list[Round | None], [None] * len(places)))
            if self.plain
            else _parted(places)
        )
        index, unique = _numbered(series)
        found = SampleColumns(unique, index, time.tolist(), value.tolist(), rounds)
        return found, (int(time.min()), int(time.max()))

    def points(self, wanted: Wanted, kept: set[int]) -> list[Point]:
        """What is kept of one metric, for windows."""
        found = []
        for at in range(wanted.first, wanted.last):
            place = self.places[at]
            if at in kept and place is not None and not isinstance(place, Refused):
                series = place.series if isinstance(place, Placed) else place
                own = {
                    key: said
                    for key, said in series.labels.items()
                    if key not in wanted.origin.labels
                }
                time, value = int(self.time[at]), float(self.value[at])
                found.append(Point(wanted.name, time, value, own, wanted.unit))
        return found

    def kept(self) -> set[int]:
        """Indexes of what is kept."""
        return set(range(len(self.places)) if self.at is None else self.at.tolist())


def _parted(places: list[Place | None]) -> tuple[list[Series], list[Round | None]]:
    series: list[Series] = []
    rounds: list[Round | None] = [None] * len(places)
    for at, place in enumerate(places):
        if isinstance(place, Placed):
            series.append(place.series)
            rounds[at] = place.round
        else:
            assert isinstance(place, Series)
            series.append(place)
    return series, rounds


def _numbered(series: list[Series]) -> tuple[list[int], list[Series]]:
    """Each series once, and which of them every point is of."""
    if len(set(map(id, series))) == len(series):
        return list(range(len(series))), series
    known: dict[int, int] = {}
    unique: list[Series] = []
    index: list[int] = []
    for one in series:
        at = known.setdefault(id(one), len(unique))
        if at == len(unique):
            unique.append(one)
        index.append(at)
    return index, unique
