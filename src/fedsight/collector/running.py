"""The parts of one running collector, and how they begin and end together."""

from __future__ import annotations

import asyncio
import sqlite3
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from fedsight.collector.abandoned import Abandoned
from fedsight.collector.alerts.running import Alerting
from fedsight.collector.anomalies.remembered import suspicions
from fedsight.collector.anomalies.watching import Watching
from fedsight.collector.backends import Backends
from fedsight.collector.directory import JOURNALS, DataDirectory, open_directory
from fedsight.collector.ending import end_loops
from fedsight.collector.export.elastic import Elasticsearch
from fedsight.collector.export.exports import ExportLimits, Exports
from fedsight.collector.export.source import LiveSource
from fedsight.collector.http.login import Login
from fedsight.collector.ingest import Ingest
from fedsight.collector.live.stream import Hub
from fedsight.collector.live.watch import Watch
from fedsight.collector.metrics.stored import StoredCounts
from fedsight.collector.monitors.lifecycle import digests
from fedsight.collector.monitors.monitoring import Monitoring
from fedsight.collector.monitors.watched import services_health
from fedsight.collector.options import CollectorOptions
from fedsight.collector.passing.services import Services
from fedsight.collector.questions import Questions
from fedsight.collector.reading import queries
from fedsight.collector.reading.rows import ComponentHealth, Level
from fedsight.collector.store.archive import Archive
from fedsight.collector.store.contract import SampleSearch
from fedsight.collector.store.readers import Readers
from fedsight.collector.store.schema import FILE_NAME
from fedsight.collector.store.storefile import note_damage, open_store
from fedsight.collector.store.upkeep import Upkeep
from fedsight.collector.taking.bodies import Decoders
from fedsight.collector.taking.cardinality import Cardinality
from fedsight.collector.taking.together import Together
from fedsight.door.hosts import PLAINTEXT
from fedsight.door.limits import RateLimit
from fedsight.door.times import now_ns
from fedsight.signals import Event, batch

Answer = TypeVar("Answer")
DAY_SECONDS = 86_400.0


@dataclass
class Collector:
    """What the routes work with. `kept` names a damaged store that was set aside at the start."""

    options: CollectorOptions
    directory: DataDirectory
    login: Login
    readers: Readers
    ingest: Ingest
    hub: Hub
    watch: Watch
    abandoned: Abandoned
    ingest_rate: RateLimit
    login_rate: RateLimit
    services: Services
    exports: Exports
    elasticsearch: Elasticsearch | None
    alerting: Alerting
    monitoring: Monitoring
    backends: Backends
    kept: str | None
    anomalies: Watching | None = None
    upkeep: Upkeep | None = None
    waiting_bytes: int = 0
    stored: StoredCounts = field(default_factory=StoredCounts)
    decoders: Decoders = field(default_factory=Decoders)
    questions: Questions = field(default_factory=Questions)
    together: Together = field(init=False)

    def __post_init__(self) -> None:
        self.together = Together(self.ingest, self.decoders.columns, self.options.future_ns)

    async def search(self, question: Callable[[SampleSearch], Answer]) -> Answer:
        """What `question` answers about samples, over one snapshot and in a reading thread.

        An iterator that it is given must not leave it. Raises what it raises.
        """
        return await self.readers.search(lambda _, samples: question(samples))

    def note_unreadable(self, error: sqlite3.Error) -> None:
        """A read failed: where that is for damage, the next start looks at every page."""
        note_damage(self.directory.path / FILE_NAME, error)

    async def health(self) -> tuple[Level, dict[str, ComponentHealth]]:
        """Reach every part; what fails says why."""
        parts = {
            "store": await self._store_health(),
            "stream": part_health(None, self.hub.error),
            "journals": part_health(None, self.abandoned.error),
            "exports": part_health(None, self.exports.error),
            **services_health(self.monitoring.records),
            "alerts": part_health(None, self.alerting.error),
            **await self.backends.health(),
        }
        if self.upkeep is not None:
            parts["samples"] = part_health(None, self.upkeep.wrong)
        if self.anomalies is not None:
            parts["anomalies"] = part_health(None, self.anomalies.error)
        if self.elasticsearch is not None:
            parts["elasticsearch"] = part_health(None, self.elasticsearch.error)
        level: Level = "healthy"
        if any(part.status == "degraded" for part in parts.values()):
            level = "degraded"
        return level, parts

    async def _store_health(self) -> ComponentHealth:
        began = time.perf_counter()
        error = self.ingest.error
        if not self.ingest.alive:
            error = "the writing thread has ended"
        try:
            await self.readers.ask(queries.last_event_id)
        except sqlite3.Error as failure:
            self.note_unreadable(failure)
            error = str(failure)
        if error is None and self.kept is not None:
            error = f"the store was damaged and is kept as {self.kept}; a new one began"
        return part_health((time.perf_counter() - began) * 1000, error)


def part_health(latency_ms: float | None, error: str | None) -> ComponentHealth:
    """Healthy unless there is an error."""
    latency = None if latency_ms is None else round(latency_ms, 3)
    if error is None:
        return ComponentHealth("healthy", latency)
    return ComponentHealth("degraded", latency, error)


def warn(sentence: str) -> None:
    """One line for the person at the terminal; standard output belongs to the parent."""
    print(sentence, file=sys.stderr, flush=True)


class Parts:
    """What is opened before the event loop runs, so that a bad start is one clear error.

    Raises StoreError where the data directory or its store cannot be used.
    """

    def __init__(self, options: CollectorOptions, address: str) -> None:
        self.options = options
        self.directory = open_directory(options.data)
        with ExitStack() as undoing:
            undoing.callback(self.directory.close)
            self.connection, self.kept = open_store(self.directory.path)
            undoing.pop_all()
        known = self.connection.execute("SELECT EXISTS (SELECT 1 FROM journals)").fetchone()[0]
        self.new_store = not known
        proxied = options.loopback and options.hosts
        login_address = f"https://{options.hosts[0]}" if proxied else address
        self.login = Login(
            self.directory.token,
            self.directory.store_id,
            login_address,
            lambda page: warn(f"log in once at {page}"),
        )

    @property
    def file(self) -> Path:
        """The store's file."""
        return self.directory.path / FILE_NAME


def assembled(parts: Parts) -> Collector:
    """A collector over opened parts, of which nothing runs yet but the writing thread. To be made
    in the event loop."""
    loop = asyncio.get_running_loop()
    options, directory = parts.options, parts.directory
    backends = Backends(options.backends, directory.store_id)
    readers = Readers(parts.file, archive=backends.archive)
    hub = Hub(readers)
    ingest = Ingest(
        parts.connection,
        parts.file,
        lambda: loop.call_soon_threadsafe(hub.wake),
        Cardinality(options.most_series, options.new_series),
    )
    abandoned = Abandoned(
        directory.path / JOURNALS,
        ingest,
        readers,
        pause=options.orphan_seconds,
        keep_seconds=options.journal_keep_days * DAY_SECONDS,
    )
    limits = ExportLimits(options.export_keep_days, options.export_bytes)
    token, server = directory.token, options.elasticsearch
    return Collector(
        options,
        directory,
        parts.login,
        readers,
        ingest,
        hub,
        Watch(hub, readers, capacity=options.stream_queue, most=options.streams),
        abandoned,
        RateLimit(options.ingest_rate, options.ingest_burst),
        RateLimit(options.refused_rate, options.refused_burst),
        Services(options.doors, token),
        Exports(directory.path, ingest, readers, limits),
        None if server is None else Elasticsearch(server, directory.store_id, ingest, readers),
        Alerting(ingest, readers, options.alerts, directory.store_id),
        Monitoring(
            options.monitors,
            directory,
            ingest,
            readers,
            settings=digests(options, token.encode()),
            board=backends.current,
        ),
        backends,
        parts.kept,
    )


@asynccontextmanager
async def collecting(parts: Parts) -> AsyncIterator[Collector]:
    """Run a collector over opened parts; closes them at the end."""
    async with AsyncExitStack() as ending:
        ending.callback(parts.directory.close)
        collector = assembled(parts)
        await _begin(collector, parts, ending)
        yield collector


async def _begin(collector: Collector, parts: Parts, ending: AsyncExitStack) -> None:
    """Start one part after another; `ending` closes each, the last first, whatever fails."""
    in_thread, readers = asyncio.to_thread, collector.readers
    # Last of all, so that the one who may write folds the write-ahead log back into the store.
    ending.push_async_callback(in_thread, collector.ingest.close)
    ending.callback(readers.close)
    collector.ingest.taps.append(collector.stored.tap)
    if parts.kept is not None:
        await _note_reset(collector.ingest, parts.kept, parts.file)
    if isinstance(readers.archive, Archive):
        options = parts.options.upkeep
        collector.upkeep = Upkeep(readers.archive, collector.ingest, parts.file, options)
        ending.push_async_callback(in_thread, collector.upkeep.close)
        for file in await in_thread(collector.upkeep.start):
            warn(f"{file} is of another store; it was moved to samples/unknown")
    ending.push_async_callback(collector.backends.close)
    collector.backends.start(parts.file, collector.ingest, collector.hub)
    ending.push_async_callback(collector.services.close)
    passing_on = asyncio.create_task(collector.hub.run())
    ending.push_async_callback(end_loops, passing_on)
    ending.push_async_callback(in_thread, collector.abandoned.close)
    collector.abandoned.start(from_the_beginning=parts.new_store)
    if parts.options.needs_login:
        warn(parts.directory.token_sentence(sys.stderr.isatty()))
        parts.login.offer()
        if parts.options.tls is None and not parts.options.loopback:
            warn(PLAINTEXT.format(mend="say --tls-cert and --tls-key"))
    await _begin_watching(collector, parts, ending)


async def _begin_watching(collector: Collector, parts: Parts, ending: AsyncExitStack) -> None:
    """Start what looks at what comes in, and tells others of it."""
    if collector.elasticsearch is not None:
        ending.push_async_callback(collector.elasticsearch.close)
        collector.elasticsearch.start()
    ending.push_async_callback(collector.exports.close)
    loop = asyncio.get_running_loop()
    collector.exports.start(LiveSource(loop, collector.readers, collector.search))
    ending.push_async_callback(collector.alerting.close)
    collector.alerting.start(collector.search)
    if parts.options.anomalies.enabled:
        found = collector.alerting.alerts
        told = await collector.readers.ask(suspicions)
        collector.anomalies = Watching(parts.options.anomalies, collector.search, found, told)
        ending.push_async_callback(collector.anomalies.close)
        collector.anomalies.start(collector.ingest)
    ending.push_async_callback(collector.monitoring.close)
    await collector.monitoring.start()


async def _note_reset(ingest: Ingest, kept: str, file: Path) -> None:
    warn(f"the store {file} is damaged; it is kept as {kept} and a new one begins")
    event = Event(now_ns(), "collector", "STORE_RESET", details={"kept": kept})
    await asyncio.wrap_future(ingest.keep(batch(events=[event])))
