"""What is kept of the present: contracts that memory and Redis keep.

States and answers are JSON. None of this is the only copy of anything: what is lost here is asked
for again, or read from the store.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

#: Seconds after which a state that nobody renewed is no longer the present.
STATE_SECONDS = 300.0
#: Seconds for which an aggregated answer is handed out again.
AGGREGATED_SECONDS = 60.0
#: Names held at most; the ones put longest ago go first.
MOST = 1024


class States(Protocol):
    """The newest state of each component."""

    async def put(self, component: str, state: bytes) -> None:
        """Keep a state for `STATE_SECONDS`; raises nothing."""
        ...

    async def get(self, component: str) -> bytes | None:
        """The state; None where nobody told one in time."""
        ...


class Aggregates(Protocol):
    """Answers over a timeframe such as `1h`, which are dear to compute."""

    async def keep(self, timeframe: str, answer: bytes) -> None:
        """Keep an answer for `AGGREGATED_SECONDS`; raises nothing."""
        ...

    async def aggregated(self, timeframe: str) -> bytes | None:
        """The answer; None where it has to be computed."""
        ...


class Word(Protocol):
    """Tells every process of one store that there is something new in it."""

    def announce(self, event_id: int) -> None:
        """Say which event is the newest; from the event loop, at once, often."""
        ...

    async def listen(self, woken: Callable[[], object]) -> None:
        """Call `woken` whenever there may be something new, until cancelled.

        Words may be lost: whoever is woken reads the store from where it was.
        """
        ...


async def forever() -> None:
    """Wait until cancelled."""
    await asyncio.Event().wait()
