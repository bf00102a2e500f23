"""The present of one process, in memory."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable

from fedsight.collector.current.contract import AGGREGATED_SECONDS, MOST, STATE_SECONDS, forever

Clock = Callable[[], float]


class Expiring:
    """Values by name, each for so many seconds, the newest `MOST`."""

    def __init__(self, seconds: float, clock: Clock) -> None:
        self._seconds = seconds
        self._clock = clock
        self._held: OrderedDict[str, tuple[float, bytes]] = OrderedDict()

    def put(self, name: str, value: bytes) -> None:
        """Keep a value from now on."""
        self._held[name] = (self._clock() + self._seconds, value)
        self._held.move_to_end(name)
        if len(self._held) > MOST:
            self._held.popitem(last=False)

    def get(self, name: str) -> bytes | None:
        """The value, if its time is not over."""
        until, value = self._held.get(name, (0.0, b""))
        return value if self._clock() < until else None

    def left(self) -> dict[str, tuple[float, bytes]]:
        """What is there, each with the seconds that are left of its time."""
        now = self._clock()
        return {name: (until - now, v) for name, (until, v) in self._held.items() if now < until}


class MemoryCurrent:
    """As `States`, `Aggregates` and `Word`, for one process; of no use to another."""

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self.states = Expiring(STATE_SECONDS, clock)
        self.aggregates = Expiring(AGGREGATED_SECONDS, clock)
        #: Why it cannot be reached: it always can.
        self.error: str | None = None

    async def put(self, component: str, state: bytes) -> None:
        """As `States.put`."""
        self.states.put(component, state)

    async def get(self, component: str) -> bytes | None:
        """As `States.get`."""
        return self.states.get(component)

    async def keep(self, timeframe: str, answer: bytes) -> None:
        """As `Aggregates.keep`."""
        self.aggregates.put(timeframe, answer)

    async def aggregated(self, timeframe: str) -> bytes | None:
        """As `Aggregates.aggregated`."""
        return self.aggregates.get(timeframe)

    def announce(self, event_id: int) -> None:
        """As `Word.announce`: there is nobody else to tell."""

    async def listen(self, woken: Callable[[], object]) -> None:
        """As `Word.listen`: there is nobody who tells."""
        await forever()

    async def ping(self) -> None:
        """Reach it."""

    async def run(self) -> None:
        """Look after it until cancelled: there is nothing to do."""
        await forever()

    async def close(self) -> None:
        """Let go of it."""
