"""Runs the monitors side by side: each at its own pace, none in another's way."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Mapping, Sequence

import msgspec

from fedsight.collector.ending import end
from fedsight.collector.monitors.backoff import pause
from fedsight.collector.monitors.contract import (
    Found,
    Keeper,
    Monitor,
    Pace,
    StateBoard,
    cursor_write,
)
from fedsight.collector.monitors.record import MonitorRecord, expected
from fedsight.collector.monitors.refusing import refusal, without
from fedsight.door.refusal import BadFieldError
from fedsight.door.times import now_ns
from fedsight.signals import Batch, Event

logger = logging.getLogger(__name__)

#: What a stubborn monitor may take to end once it is told to.
STOP_SECONDS, AGAIN_SECONDS = 1.0, 0.25
#: What one that took too long may take to clean up before the next look comes.
GRACE_SECONDS = 0.1
#: So many refusals of one batch are left out one by one; then the rest of it goes.
MOST_REFUSED = 20
SECOND = 1_000_000_000


class Schedule:
    """Looks again and again until cancelled.

    `cursors` are those of the last start. With `tell_services` it becomes an event when a service
    is first reached, is lost, comes back or answers wrongly.
    """

    def __init__(
        self,
        monitors: Sequence[tuple[Monitor, Pace]],
        keeper: Keeper,
        board: StateBoard,
        *,
        cursors: Mapping[str, bytes] | None = None,
        tell_services: bool = False,
    ) -> None:
        self.records = {each.name: MonitorRecord(each, pace) for each, pace in monitors}
        if len(self.records) < len(monitors):
            names = [each.name for each, _ in monitors]
            raise ValueError(f"every monitor must have a name of its own, got {names}")
        self._keeper = keeper
        self._board = board
        self._cursors = dict(cursors or {})
        self._tell_services = tell_services
        self._looks: dict[str, asyncio.Task[Found]] = {}

    async def run(self) -> None:
        """Watch all; at a cancellation, end within STOP_SECONDS whatever they do."""
        loops = [asyncio.create_task(self._watch(each)) for each in self.records.values()]
        try:
            await asyncio.gather(*loops)
        finally:
            await end([*loops, *self._looks.values()], STOP_SECONDS, AGAIN_SECONDS)

    async def _watch(self, record: MonitorRecord) -> None:
        # Spread over the first second, so that a start is no burst.
        await asyncio.sleep(random.random() * min(1.0, record.pace.interval))
        while True:
            began = time.monotonic()
            await self._cycle(record)
            wait = pause(record.pace, record.in_a_row, random.random())
            left = max(0.0, wait - (time.monotonic() - began))
            record.next_run = now_ns() + round(left * SECOND)
            await asyncio.sleep(left)

    async def _cycle(self, record: MonitorRecord) -> None:
        began = time.perf_counter()
        record.cycles += 1
        record.last_run = now_ns()
        try:
            found = await self._look(record)
            await self._keep(record, found)
            record.succeeded(now_ns())
        except Exception as error:  # a monitor's failure is recorded; it and the others live on
            await self._failed(record, error)
        record.last_seconds = time.perf_counter() - began
        record.seconds += record.last_seconds

    async def _look(self, record: MonitorRecord) -> Found:
        """One collection within its deadline, even where it does not heed a cancellation."""
        name = record.monitor.name
        if name in self._looks:
            raise TimeoutError("it is still busy with the look before")
        task = asyncio.create_task(record.monitor.collect(self._cursors.get(name)))
        self._looks[name] = task
        task.add_done_callback(lambda done: self._forget(name, done))
        done, _ = await asyncio.wait({task}, timeout=record.pace.deadline)
        if not done:
            task.cancel()
            await asyncio.wait({task}, timeout=GRACE_SECONDS)
            raise TimeoutError(f"it did not finish within {record.pace.deadline:g} s")
        return task.result()

    def _forget(self, name: str, task: asyncio.Task[Found]) -> None:
        self._looks.pop(name, None)
        if not task.cancelled():
            task.exception()  # seen, whoever still waits for it

    async def _keep(self, record: MonitorRecord, found: Found) -> None:
        batch = found.batch
        news = record.good_news(now_ns())
        if news is not None and self._tell_services:
            batch = replace_events(batch, [*batch.events, news])
        name = record.monitor.name
        if batch.events or batch.spans or len(batch.samples) or found.cursor is not None:
            await self._committed(name, batch, found.cursor)
        if found.cursor is not None:
            self._cursors[name] = found.cursor
        record.samples += len(batch.samples)
        record.events += len(batch.events)
        record.state = found.state
        if found.state is not None:
            await self._board.put(name, msgspec.json.encode(found.state))

    async def _committed(self, name: str, batch: Batch, cursor: bytes | None) -> None:
        """Keep a batch with its cursor; what the store refuses of it is told in its place."""
        change = None if cursor is None else cursor_write(name, cursor)
        told: list[Event] = []
        while True:
            try:
                kept = replace_events(batch, [*batch.events, *told])
                await asyncio.wrap_future(self._keeper.keep(kept, change))
            except BadFieldError as refused:
                if len(told) == MOST_REFUSED:
                    raise
                batch = without(refused, batch) if len(told) < MOST_REFUSED - 1 else Batch()
                told.append(refusal(refused, name, now_ns()))
            else:
                return

    async def _failed(self, record: MonitorRecord, error: Exception) -> None:
        known = record.last_error
        news = record.failed(error, now_ns())
        if not expected(error) and record.last_error != known:
            logger.warning("the monitor %s failed: %r", record.monitor.name, error)
        if news is None or not self._tell_services:
            return
        try:
            await asyncio.wrap_future(self._keeper.keep(Batch(events=[news])))
        except Exception as worse:  # a store that cannot be written must not end the loop
            logger.warning("the monitor %s cannot tell: %s", record.monitor.name, worse)


def replace_events(batch: Batch, events: list[Event]) -> Batch:
    """The same batch with other events."""
    return Batch(batch.samples, events, batch.spans)
