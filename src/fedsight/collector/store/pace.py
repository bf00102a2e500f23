"""How fast samples come in, as far as it can be seen from what waits to be sealed."""

from __future__ import annotations

import time
from collections.abc import Callable

#: Samples a second above which work that can wait had better wait.
BUSY_RATE = 200_000
#: Seconds that a rate is taken over at least.
SPAN = 0.5


class Pace:
    """Samples that wait, and those that were sealed, make those that came."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._sealed = 0
        self._seen: tuple[float, int] | None = None
        self._busy = False

    def sealed(self, samples: int) -> None:
        """So many no longer wait."""
        self._sealed += samples

    def busy(self, waiting: int) -> bool:
        """Whether more than `BUSY_RATE` came a second since it was last asked."""
        now, came = self._clock(), self._sealed + waiting
        if self._seen is None or now - self._seen[0] >= SPAN:
            if self._seen is not None:
                then, before = self._seen
                self._busy = (came - before) / (now - then) > BUSY_RATE
            self._seen = (now, came)
        return self._busy
