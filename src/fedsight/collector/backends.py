"""What a collector keeps outside its data directory, where it was told to: InfluxDB, Redis.

Without either nothing here does anything, and neither package is imported.
"""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from fedsight.collector.backend_options import BackendOptions
from fedsight.collector.current.memory import MemoryCurrent
from fedsight.collector.current.remote import RedisCurrent
from fedsight.collector.ending import end_loops
from fedsight.collector.influx.archive import InfluxArchive
from fedsight.collector.influx.client import Influx, connect
from fedsight.collector.influx.forwarding import Forwarding
from fedsight.collector.ingest import Ingest
from fedsight.collector.live.stream import Hub
from fedsight.collector.reading.rows import ComponentHealth


class Backends:
    """The store of samples and the present, as the options say; to be made in the event loop."""

    def __init__(self, options: BackendOptions, store_id: str) -> None:
        self._options = options
        self._influx: Influx | None = None
        self.archive: InfluxArchive | None = None
        if options.influx is not None:
            self.archive = InfluxArchive(connect(options.influx))
            self._influx = connect(options.influx)
        self.current: MemoryCurrent | RedisCurrent = (
            MemoryCurrent() if options.redis is None else RedisCurrent(options.redis, store_id)
        )
        self.forwarding: Forwarding | None = None
        self._tasks: list[asyncio.Task[None]] = []

    def start(self, file: Path, ingest: Ingest, hub: Hub) -> None:
        """Begin to bring samples away, and to tell other processes what is new."""
        if self._influx is not None and self.archive is not None:
            most = self._options.waiting_samples
            self.forwarding = Forwarding(file, ingest, self._influx, self.archive.index, most=most)
            ingest.taps.append(lambda _: self.wake())
            self.forwarding.start()
        hub.announce = self.current.announce
        self._tasks.append(asyncio.create_task(self.current.run()))

    def wake(self) -> None:
        """Say that there was a commit; from any thread."""
        if self.forwarding is not None:
            self.forwarding.wake()

    async def health(self) -> dict[str, ComponentHealth]:
        """`cache` is where the present is kept, `influxdb` the store of samples where it is one."""
        began = time.perf_counter()
        await self.current.ping()
        told = {"cache": _health(self.current.error, time.perf_counter() - began)}
        if self.forwarding is not None:
            told["influxdb"] = _health(self.forwarding.error, None)
        return told

    async def close(self) -> None:
        """Stop; what was not brought away stays in the hot log."""
        await end_loops(*self._tasks)
        await self.current.close()
        if self.forwarding is not None:
            await asyncio.to_thread(self.forwarding.close)
        if self._influx is not None:
            self._influx.close()


def _health(error: str | None, seconds: float | None) -> ComponentHealth:
    latency = None if seconds is None else round(seconds * 1000, 3)
    if error is None:
        return ComponentHealth("healthy", latency)
    return ComponentHealth("degraded", latency, error)
