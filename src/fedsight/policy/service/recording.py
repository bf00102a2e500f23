"""The trail as the service writes it: which number a record got, and when it was made."""

from __future__ import annotations

import time
from typing import Any

from fedsight.policy.audit import Trail


class Clock:
    """The wall clock; `last` is what it said last."""

    def __init__(self) -> None:
        self.last = 0

    def __call__(self) -> int:
        self.last = time.time_ns()
        return self.last


class NumberedTrail(Trail):
    """A trail that remembers what was written: number, kind and plain body of each record.

    Whoever asks says `begin` before; one thread at a time, which the service sees to.
    """

    written: tuple[tuple[int, str, dict[str, Any]], ...] = ()

    def begin(self) -> None:
        """Forget what was written before."""
        self.written = ()

    def _write(self, records: list[tuple[str, Any]]) -> int:
        first = self.seq + 1
        last = super()._write(records)
        self.written += tuple((first + at, *one) for at, one in enumerate(records))
        return last
