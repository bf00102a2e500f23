"""The trail as the service writes it: which number a record got, and when it was made."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Any

from fedsight.policy.audit import Trail, canonical


class Clock:
    """The wall clock; `last` is what it said last."""

    def __init__(self) -> None:
        self.last = 0

    def __call__(self) -> int:
        self.last = time.time_ns()
        return self.last


class NumberedTrail(Trail):
    """A trail that remembers what was written last: `written` has number, kind and plain body.

    For one thread at a time, which the service sees to.
    """

    written: list[tuple[int, str, dict[str, Any]]]

    def append_all(self, records: Iterable[tuple[str, Mapping[str, Any]]]) -> int:
        """As `Trail.append_all`."""
        self.written = []
        plain = [(kind, canonical.plain(body)) for kind, body in records]
        with self._mutex:
            first = self.seq + 1
            last = super().append_all(plain)
        self.written = [(first + at, *one) for at, one in enumerate(plain)]
        return last
