"""Alerting over a real store, without a server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from fedsight.collector.alerts.options import AlertOptions
from fedsight.collector.alerts.running import Alerting
from fedsight.collector.store.contract import SampleSearch
from tests.collector.open_store import Store

WAIT_SECONDS = 10.0


@asynccontextmanager
async def alerting(store: Store, options: AlertOptions) -> AsyncIterator[Alerting]:
    """Alerting that runs."""

    async def search(question: Callable[[SampleSearch], Any]) -> Any:
        archive = store.readers.archive
        return await store.readers.ask(lambda snapshot: question(archive.search(snapshot)))

    parts = Alerting(store.ingest, store.readers, options, "store-1")
    parts.start(search)
    try:
        yield parts
    finally:
        await parts.close()


async def until(true: Callable[[], Any]) -> Any:
    """Wait until something is so, and return it."""
    async with asyncio.timeout(WAIT_SECONDS):
        while not (found := true()):
            await asyncio.sleep(0.01)
    return found


def run(work: Callable[[], Awaitable[None]]) -> None:
    """Run a test's coroutine to its end."""

    async def main() -> None:
        await work()

    asyncio.run(main())
