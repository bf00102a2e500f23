"""Since when a counter counts: told by the target, or known because it began anew."""

from __future__ import annotations

from collections import OrderedDict

import msgspec
from msgspec import Struct

from fedsight.telemetry.agent.families import Labels, Point

UNKNOWN = 0
#: What was not told for so long is forgotten.
FORGOTTEN_NS = 24 * 3600 * 10**9
#: Labels may change with each look; a page has at most half as many points.
MOST_COUNTERS = 40_000

Key = tuple[str, Labels]


class Count(Struct, array_like=True):
    """One counter at its last sight: its value, when that was, and its start (Unix ns, or 0)."""

    value: float
    time: int
    start: int


class Starts:
    """The starts of one target's counters.

    A counter that falls began anew, after the last time that it was seen: that time is its start
    from then on. Before, its start is not known, and 0 says so.
    https://opentelemetry.io/docs/specs/otel/metrics/data-model/#resets-and-gaps
    """

    def __init__(self, kept: bytes | None = None) -> None:
        #: Those that were told last come last.
        self._counts: OrderedDict[Key, Count] = OrderedDict(_DECODER.decode(kept) if kept else ())
        self.resets = 0
        #: Whether a start was found since `kept` was asked for.
        self.news = False

    def of(self, name: str, point: Point, time: int) -> int:
        """The start of a counter's point at `time`; 0 where it is not known, or is not before."""
        key = name, point.labels
        before = self._counts.get(key)
        start = self._start(point, before)
        if before is None or before.start != start:
            self.news = True
        self._counts[key] = Count(point.value, time, start)
        self._counts.move_to_end(key)
        if len(self._counts) > MOST_COUNTERS:
            self._counts.popitem(last=False)
        return start if start < time else UNKNOWN

    def _start(self, point: Point, before: Count | None) -> int:
        fell = before is not None and point.value < before.value
        self.resets += fell
        if point.began is not None:
            return point.began
        if before is None:
            return UNKNOWN
        return before.time if fell else before.start

    def kept(self, now: int) -> bytes:
        """What another process goes on with; forgets what was not told for a day before `now`."""
        self._counts = OrderedDict(
            (key, count)
            for key, count in self._counts.items()
            if abs(now - count.time) < FORGOTTEN_NS
        )
        self.news = False
        return _ENCODER.encode(list(self._counts.items()))


_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(list[tuple[Key, Count]])
