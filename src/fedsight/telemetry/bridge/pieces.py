"""Signals as records of a bounded size: the collector refuses what is larger than it takes.

A piece stays below 1 MiB with what a shipment puts around it, the least that `ingest.body_mb` can
be. Sizes are those of the text of a record, or a little above.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

import msgspec

from fedsight.signals import Batch, Event, SampleColumns, Series, Span
from fedsight.telemetry.bridge.work import merged

#: Bytes of a piece, and what a sample comes to at most besides its series.
PIECE_BYTES = 768 * 1024
SAMPLE_BYTES = 72
#: Series whose size is remembered.
REMEMBERED = 50_000

_encode = msgspec.json.Encoder().encode


class Sizes:
    """Bytes of series as text, remembered: a producer's are the same objects each time."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[Series, int]] = {}

    def of(self, series: Series) -> int:
        """With the comma behind it."""
        found = self._known.get(id(series))
        if found is None:
            if len(self._known) >= REMEMBERED:
                self._known.clear()
            found = self._known[id(series)] = series, len(_encode(series)) + 1
        return found[1]

    def pieces(self, parts: Sequence[SampleColumns]) -> Iterator[tuple[SampleColumns, int]]:
        """The samples of several requests in their order, put together and cut where they have to
        be: each piece with its bytes."""
        together: list[SampleColumns] = []
        size = named = 0
        last: list[Series] | None = None
        for part in parts:
            own = more = SAMPLE_BYTES * len(part)
            # What one producer sends has the same series each time: what they say is known.
            if part.series != last:
                named = sum(map(self.of, part.series))
                more = own + named
            if together and size + more > PIECE_BYTES:
                yield merged(together), size
                together, size, more = [], 0, own + named
            if more > PIECE_BYTES:
                yield from self._cut(part)
                last = None
                continue
            together.append(part)
            size, last = size + more, part.series
        if together:
            yield merged(together), size

    def _cut(self, whole: SampleColumns) -> Iterator[tuple[SampleColumns, int]]:
        """One request's samples, each piece with the series that it needs."""
        places: dict[int, int] = {}
        first = size = 0
        for at, of in enumerate(whole.index):
            more = SAMPLE_BYTES + (0 if of in places else self.of(whole.series[of]))
            if size + more > PIECE_BYTES and at > first:
                yield _part(whole, first, at, places), size
                places, first, size = {}, at, 0
                more = SAMPLE_BYTES + self.of(whole.series[of])
            places.setdefault(of, len(places))
            size += more
        yield _part(whole, first, len(whole), places), size


def _part(whole: SampleColumns, first: int, last: int, places: dict[int, int]) -> SampleColumns:
    """Samples from `first` to `last`; `places`: where their series stand in it."""
    return SampleColumns(
        [whole.series[of] for of in places],
        [places[of] for of in whole.index[first:last]],
        whole.time[first:last],
        whole.value[first:last],
        whole.round[first:last],
    )


def size_of(signal: Event | Span) -> int:
    """Bytes of an event or span as text, with the comma behind it."""
    return len(_encode(signal)) + 1


def parted(signals: Batch) -> Iterator[Batch]:
    """Events and spans in pieces that are no two alike, the same each time.

    Records of them are told apart by what they hold: of two that are alike, the second would count
    as the first sent again. So a piece that is like one before ends an event or span earlier.
    """
    rest: list[Event | Span] = [*signals.events, *signals.spans]
    ends = _ends([size_of(signal) for signal in rest])
    first, known = 0, set[bytes]()
    while first < len(rest):
        last = ends[first]
        while (said := _digest(rest[first:last])) in known and last - first > 1:
            last -= 1
        known.add(said)
        piece = rest[first:last]
        yield Batch(
            events=[signal for signal in piece if isinstance(signal, Event)],
            spans=[signal for signal in piece if isinstance(signal, Span)],
        )
        first = last


def _ends(sizes: list[int]) -> list[int]:
    """Where a piece ends that begins at each of them; it holds one at least."""
    ends: list[int] = []
    last = size = 0
    for first, own in enumerate(sizes):
        while last < len(sizes) and (last == first or size + sizes[last] <= PIECE_BYTES):
            size += sizes[last]
            last += 1
        ends.append(last)
        size -= own
    return ends


def _digest(piece: list[Event | Span]) -> bytes:
    return hashlib.blake2b(_encode(piece), digest_size=16).digest()
