"""The monitors of one collector: made from the plan, begun and ended with it."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Iterator, Mapping

import msgspec

from fedsight.collector.directory import DataDirectory
from fedsight.collector.ending import end_loops
from fedsight.collector.ingest import Ingest
from fedsight.collector.monitors import lifecycle
from fedsight.collector.monitors.asking import Asking
from fedsight.collector.monitors.contract import (
    Monitor,
    NoBoard,
    Pace,
    StateBoard,
    cursor_write,
    read_cursors,
)
from fedsight.collector.monitors.exposition import Bounds
from fedsight.collector.monitors.fl_server import FlServerMonitor
from fedsight.collector.monitors.host import HostMonitor
from fedsight.collector.monitors.network import NetworkMonitor
from fedsight.collector.monitors.plan import MonitorPlan
from fedsight.collector.monitors.policy_engine import PolicyEngineMonitor
from fedsight.collector.monitors.prometheus import PrometheusMonitor
from fedsight.collector.monitors.record import MonitorRecord
from fedsight.collector.monitors.schedule import Schedule
from fedsight.collector.store.hotlog import OWN_JOURNAL
from fedsight.collector.store.readers import Readers
from fedsight.door.times import now_ns
from fedsight.errors import StoreError
from fedsight.signals import Event, batch


class Monitoring:
    """Runs the monitors of a plan. `start` once, then `close`.

    `settings` are digests of the collector's settings (`lifecycle.digests`).
    """

    def __init__(
        self,
        plan: MonitorPlan,
        directory: DataDirectory,
        ingest: Ingest,
        readers: Readers,
        *,
        settings: Mapping[str, str],
        board: StateBoard | None = None,
    ) -> None:
        self.plan = plan
        self._directory = directory
        self._ingest = ingest
        self._readers = readers
        self._settings = dict(settings)
        self._board = NoBoard() if board is None else board
        self._asking = Asking()
        self._began = time.monotonic()
        self._running: asyncio.Task[None] | None = None
        self.schedule = Schedule([], ingest, self._board)

    @property
    def records(self) -> Mapping[str, MonitorRecord]:
        """What is known of each monitor, by its name."""
        return self.schedule.records

    async def start(self) -> None:
        """Tell of the start, and let the monitors begin."""
        cursors = await self._readers.ask(read_cursors)
        if self.plan.events:
            before = cursors.get(lifecycle.NAME)
            life = (
                None if before is None else msgspec.json.decode(before, type=lifecycle.LifeCursor)
            )
            await self._tell(lifecycle.started(life, self._settings, now_ns()), running=True)
        self.schedule = Schedule(
            list(self._monitors()),
            self._ingest,
            self._board,
            cursors=cursors,
            tell_services=self.plan.events,
        )
        self._running = asyncio.create_task(self.schedule.run())

    async def close(self) -> None:
        """End the monitors, then tell of the stop."""
        await end_loops(self._running)
        await self._asking.close()
        if self.plan.events and self._running is not None:
            event = lifecycle.stopped(time.monotonic() - self._began, now_ns())
            await self._tell([event], running=False)

    async def _tell(self, events: list[Event], *, running: bool) -> None:
        life = msgspec.json.encode(lifecycle.LifeCursor(self._settings, running))
        change = cursor_write(lifecycle.NAME, life)
        try:
            await asyncio.wrap_future(self._ingest.keep(batch(events=events), change))
        except StoreError:
            return  # what cannot be written now stands in the health of the store

    def _monitors(self) -> Iterator[tuple[Monitor, Pace]]:
        plan, pace = self.plan, Pace(self.plan.interval, self.plan.deadline)
        if plan.fl_server_url is not None:
            store_id = self._directory.store_id
            url = plan.fl_server_url
            yield FlServerMonitor(self._asking, url, store_id, self._by_journal), pace
        if plan.policy_engine_url is not None:
            yield PolicyEngineMonitor(self._asking, plan.policy_engine_url), pace
        if plan.sdn_controller_url is not None:
            basic = (plan.sdn_user, plan.sdn_password) if plan.sdn_user else None
            yield NetworkMonitor(self._asking, plan.sdn_controller_url, basic), pace
        if plan.host:
            yield HostMonitor(self._directory.path), Pace(plan.host_interval, plan.deadline)
        bounds = Bounds(plan.target_bytes, plan.target_samples)
        for each in plan.targets:
            own = Pace(each.interval or plan.interval, plan.deadline)
            yield PrometheusMonitor(self._asking, each.name, each.url, bounds), own

    async def _by_journal(self, run: str) -> bool:
        """Whether a run's signals arrive by a journal."""

        def question(store: sqlite3.Connection) -> bool:
            query = "SELECT journal FROM runs WHERE id = ?"
            found = store.execute(query, (run,)).fetchone()
            return found is not None and found[0] not in (None, OWN_JOURNAL)

        return await self._readers.ask(question)
