"""How fast counters rise, from two readings of them. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

#: `steady`: rates are known. `stale`: nothing was counted anew. `reset`: counting began again.
Course = Literal["steady", "stale", "reset"]


@dataclass(frozen=True, slots=True)
class Reading:
    """Counters of one thing at one time.

    `duration` is for how many seconds the thing itself has counted, where it says so: it is cut to
    whole seconds, as OpenFlow's `duration_sec` is. `clock` is our own monotonic clock in seconds.
    """

    counters: Mapping[str, int]
    duration: int | None
    clock: float


@dataclass(frozen=True, slots=True)
class Rise:
    """From one reading to the next. `rises` are differences, absent where a counter is."""

    course: Course
    seconds: float = 0.0
    rises: Mapping[str, int] | None = None

    def per_second(self, name: str) -> float | None:
        """The rate of one counter; None where it is not known."""
        if self.rises is None or name not in self.rises:
            return None
        return self.rises[name] / self.seconds


def rise(before: Reading, after: Reading) -> Rise:
    """What lies between two readings.

    A counter that fell, and a duration that fell, are a reset: what was counted in between is not
    known. A duration that stands still means that these are the old figures. Seconds are those of
    our clock, held within the one second that a difference of cut durations leaves open.
    """
    if after.duration is not None and before.duration is not None:
        counted = after.duration - before.duration
        if counted < 0:
            return Rise("reset")
        if counted == 0:
            return Rise("stale")
        seconds = min(max(after.clock - before.clock, counted - 1.0), counted + 1.0)
    else:
        seconds = after.clock - before.clock
    both = before.counters.keys() & after.counters.keys()
    rises = {name: after.counters[name] - before.counters[name] for name in sorted(both)}
    if any(each < 0 for each in rises.values()):
        return Rise("reset")
    if seconds <= 0:
        return Rise("stale")
    return Rise("steady", seconds, rises)
