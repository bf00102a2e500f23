"""How much one request may come to as records.

What its points and log records have in common, such as the labels of its resource, is said once in
a request and with every series and event in a record: without a bound 66 kB would become 67 MB.
"""

from __future__ import annotations

from fedsight.signals import Event, Span
from fedsight.telemetry.bridge.found import Gathered
from fedsight.telemetry.bridge.pieces import SAMPLE_BYTES, Sizes, size_of
from fedsight.telemetry.bridge.series import CannotCarryError, Placed, Refused

#: Bytes that every request may come to, and how many more for each of its own.
LEAST = 2 * 2**20
TIMES = 8
#: What the text of a series has besides its name and labels, and what a figure of a distribution
#: adds to them.
SERIES_BYTES = 64
#: What an event or span counts besides its text: it takes memory, too.
BESIDE = 128


class Room:
    """The room of a request of `body` bytes. `size`: how much is taken."""

    def __init__(self, body: int) -> None:
        self.most = LEAST + TIMES * body
        #: Below, what points have in common cannot fill it, whatever they have of their own.
        self.plenty = LEAST + body
        self.size = 0

    @property
    def why(self) -> str:
        """Why what is beyond is not taken."""
        return (
            f"a request must come to at most {self.most} bytes ({LEAST} and {TIMES} times its own)"
        )

    def take(self, signal: Event | Span) -> None:
        """An event or span; raises CannotCarryError where it has no room."""
        size = size_of(signal) + BESIDE
        if self.size + size > self.most:
            raise CannotCarryError(self.why)
        self.size += size

    def points(self, count: int, name: str, common: int) -> None:
        """As much as so many points may come to, besides what is their own; `common`: the bytes of
        their origin's labels."""
        self.size += count * (SAMPLE_BYTES + SERIES_BYTES + len(name) + common)

    def fit(self, gathered: Gathered) -> bool:
        """Where it may be too much: measure it, and reject points from where it is. Whether it
        was."""
        if self.size <= self.plenty:
            return False
        sizes, known = Sizes(), set[int]()
        self.size = 0
        for at, place in enumerate(gathered.places):
            if place is None or isinstance(place, Refused):
                continue
            series = place.series if isinstance(place, Placed) else place
            more = SAMPLE_BYTES + (0 if id(series) in known else sizes.of(series))
            if self.size + more > self.most:
                gathered.cut(at, self.why)
                return True
            known.add(id(series))
            self.size += more
        return False
