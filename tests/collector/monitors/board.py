"""What the tests of monitors stand on: a keeper in memory and scripted monitors."""

from __future__ import annotations

import asyncio
import functools
import sqlite3
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import Future
from typing import Any

from fedsight.collector.monitors import round_trip
from fedsight.collector.monitors.contract import Found
from fedsight.signals import Batch, Event, Sample, samples_of


class MemoryKeeper:
    """Keeps batches in a list; `refuse` is raised instead while it is set."""

    def __init__(self) -> None:
        self.batches: list[Batch] = []
        self.changes = 0
        self.refuse: Exception | None = None

    def keep(
        self, batch: Batch, change: Callable[[sqlite3.Connection], object] | None = None
    ) -> Future[None]:
        """As `Keeper.keep`."""
        answer: Future[None] = Future()
        if self.refuse is not None:
            answer.set_exception(self.refuse)
            return answer
        self.batches.append(batch)
        self.changes += change is not None
        answer.set_result(None)
        return answer

    @property
    def events(self) -> list[Event]:
        """All events in order."""
        return [event for batch in self.batches for event in batch.events]

    @property
    def kinds(self) -> list[str]:
        """Their kinds."""
        return [event.kind for event in self.events]


class MemoryBoard:
    """Shows states in a dict."""

    def __init__(self) -> None:
        self.shown: dict[str, bytes] = {}

    async def put(self, component: str, state: bytes) -> None:
        """As `StateBoard.put`."""
        self.shown[component] = state


class Scripted:
    """A monitor that does what a function says; it remembers the cursors it was given."""

    def __init__(self, name: str, look: Callable[[int], Awaitable[Found]]) -> None:
        self.name = name
        self.address = f"http://{name}"
        self.cursors: list[bytes | None] = []
        self._look = look

    async def collect(self, cursor: bytes | None) -> Found:
        """As `Monitor.collect`; the function is given how many looks there were before."""
        self.cursors.append(cursor)
        return await self._look(len(self.cursors) - 1)


def in_loop(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Makes a test of a coroutine: it runs in an event loop of its own."""

    @functools.wraps(test)
    def run(*given: Any, **named: Any) -> None:
        asyncio.run(test(*given, **named))

    return run


async def until(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    """Wait until it holds."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.005)


def samples(found: Found) -> list[Sample]:
    """The samples of a look."""
    return samples_of(found.batch.samples)


def figures(found: Found) -> dict[str, float]:
    """The values of a look's samples by name and labels: `fl_accuracy{run=r-1}@3`. Without the
    round trip, which is another each time."""
    return {
        sample.name
        + (
            f"{{{','.join(f'{k}={v}' for k, v in sorted(sample.labels.items()))}}}"
            if sample.labels
            else ""
        )
        + ("" if sample.round is None else f"@{sample.round}"): sample.value
        for sample in samples(found)
        if sample.name != round_trip.NAME
    }
