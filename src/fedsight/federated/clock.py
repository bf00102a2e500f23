"""A clock that tells the time of day and never steps back within a run."""

from __future__ import annotations

import time
from functools import cache


class Clock:
    """Unix nanoseconds, UTC: the wall clock when first looked at plus the monotonic clock since.

    A change of the wall clock in the middle of a run bends no span, and what one clock of a process
    says before another is never later.
    """

    def __init__(self) -> None:
        self._offset = _offset()

    def now(self) -> int:
        """Unix nanoseconds."""
        return time.perf_counter_ns() + self._offset


@cache
def _offset() -> int:
    """One for all clocks of a process: read anew, it may differ by however long we were put aside
    between its two readings, and a span from one clock to another would end before it starts."""
    return time.time_ns() - time.perf_counter_ns()
