"""Runs an exporter as a process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from fedsight.telemetry.exporter.options import ExporterOptions
from fedsight.telemetry.exporter.page import Page
from fedsight.telemetry.figures_page import Served, Where, run_page

#: RAPL's counters go round after minutes at the earliest (262 kJ at 1 kW: four).
KEEP_UP_SECONDS = 60.0


def run(where: Where, options: ExporterOptions) -> None:
    """Serve as `run_page` does. Raises PortInUseError or RaplError with one sentence where it
    cannot begin."""
    run_page(where, lambda: served(Page(options)))


def served(page: Page) -> Served:
    """The exporter's page, its counters kept up with."""

    @asynccontextmanager
    async def beside() -> AsyncIterator[None]:
        keeping_up = asyncio.create_task(_keep_up(page))
        try:
            yield
        finally:
            keeping_up.cancel()
            with suppress(asyncio.CancelledError):
                await keeping_up

    landing = "Figures of this machine under Scaphandre's names"
    return Served(page.text, beside, "the exporter", landing)


async def _keep_up(page: Page) -> None:
    while True:
        await asyncio.sleep(KEEP_UP_SECONDS)
        await asyncio.to_thread(page.keep_up)
