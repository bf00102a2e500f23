"""The parts of one reading process, and how they begin and end together."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from fedsight.collector.backends import Backends
from fedsight.collector.directory import STORE_ID
from fedsight.collector.ending import end_loops
from fedsight.collector.http.login import Login
from fedsight.collector.live.stream import Hub
from fedsight.collector.live.watch import Watch
from fedsight.collector.options import CollectorOptions
from fedsight.collector.questions import Questions
from fedsight.collector.reading import queries
from fedsight.collector.reading.rows import ComponentHealth
from fedsight.collector.replica.writer import Writer
from fedsight.collector.store.contract import SampleSearch
from fedsight.collector.store.readers import Readers
from fedsight.collector.store.schema import FILE_NAME
from fedsight.collector.store.storefile import note_damage, open_readonly
from fedsight.door.token import TOKEN
from fedsight.errors import StoreError

Answer = TypeVar("Answer")

#: Seconds between two looks at the store where nobody says that there is something new.
LOOK = 1.0


class ReplicaParts:
    """What is opened before the event loop runs, so that a bad start is one clear error.

    Raises StoreError where there is no store that this process can read.
    """

    def __init__(self, options: CollectorOptions, address: str) -> None:
        self.options = options
        self.data = options.data
        open_readonly(options.data).close()
        self.store_id = _said(options.data / STORE_ID)
        token = _said(options.data / TOKEN)
        self.login = Login(token, self.store_id, address, lambda page: None)

    @property
    def file(self) -> Path:
        """The store's file."""
        return self.data / FILE_NAME


def _said(file: Path) -> str:
    try:
        return file.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise StoreError(
            f"cannot read {file}: start the collector that writes first: fedsight serve collector"
        ) from error


@dataclass
class Replica:
    """What the routes that only read work with, as they do with a `Collector`."""

    options: CollectorOptions
    data: Path
    store_id: str
    readers: Readers
    hub: Hub
    watch: Watch
    writer: Writer
    backends: Backends
    questions: Questions = field(default_factory=Questions)

    async def search(self, question: Callable[[SampleSearch], Answer]) -> Answer:
        """As `Collector.search`."""
        return await self.readers.search(lambda _, samples: question(samples))

    def note_unreadable(self, error: sqlite3.Error) -> None:
        """As `Collector.note_unreadable`."""
        note_damage(self.data / FILE_NAME, error)

    async def health(self) -> dict[str, ComponentHealth]:
        """Reach every part; what fails says why."""
        try:
            await self.readers.ask(queries.last_event_id)
            store = None
        except sqlite3.Error as error:
            store = str(error)
        return {
            "store": _part(store),
            "stream": _part(self.hub.error),
            "writer": _part(await self.writer.error()),
            **await self.backends.health(),
        }


def _part(error: str | None) -> ComponentHealth:
    if error is None:
        return ComponentHealth("healthy", None)
    return ComponentHealth("degraded", None, error)


@asynccontextmanager
async def reading(parts: ReplicaParts) -> AsyncIterator[Replica]:
    """Run a replica over opened parts; closes them at the end."""
    options = parts.options
    backends = Backends(options.backends, parts.store_id)
    async with AsyncExitStack() as ending:
        ending.push_async_callback(backends.close)
        readers = Readers(parts.file, archive=backends.archive)
        ending.callback(readers.close)
        hub = Hub(readers)
        writer = Writer(parts.data, verify=options.tls is None)
        ending.push_async_callback(writer.close)
        watch = Watch(hub, readers, capacity=options.stream_queue, most=options.streams)
        works = [hub.run(), backends.current.run(), backends.current.listen(hub.wake)]
        if options.backends.redis is None:
            works.append(_looking(hub))
        ending.push_async_callback(end_loops, *map(asyncio.create_task, works))
        yield Replica(options, parts.data, parts.store_id, readers, hub, watch, writer, backends)


async def _looking(hub: Hub) -> None:
    while True:
        await asyncio.sleep(LOOK)
        hub.wake()
