"""A clock that tells the time of day and never steps back within a run."""

from __future__ import annotations

import time


class Clock:
    """Unix nanoseconds, UTC: the wall clock at start plus the monotonic clock since.

    A change of the wall clock in the middle of a run bends no span.
    """

    def __init__(self) -> None:
        self._offset = time.time_ns() - time.perf_counter_ns()

    def now(self) -> int:
        """Unix nanoseconds."""
        return time.perf_counter_ns() + self._offset
