"""`GET /metrics`: the collector's own figures, for Prometheus."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import Response

from fedsight.collector.metrics.process import process_figures
from fedsight.door.endpoint import Endpoint, Nothing

if TYPE_CHECKING:
    from prometheus_client.core import Metric

    from fedsight.collector.metrics.families import Snapshot
    from fedsight.collector.running import Collector

TEXT = "text/plain; version=0.0.4; charset=utf-8"


async def metrics(collector: Collector, request: Request, _: Nothing) -> Response:
    """Prometheus' text, or OpenMetrics to those who ask for it."""
    accept = request.headers.get("accept", "")
    # prometheus_client and psutil are imported by the first who asks, off the event loop.
    body, kind = await asyncio.to_thread(page, collector, request, accept)
    return Response(body, headers={"Content-Type": kind})


def page(collector: Collector, request: Request, accept: str) -> tuple[bytes, str]:
    """The page and its media type."""
    from prometheus_client import CollectorRegistry
    from prometheus_client.exposition import choose_encoder

    from fedsight.collector.metrics.families import Snapshot

    registry = CollectorRegistry(auto_describe=False)
    snapshot = Snapshot(collector, request.app.state.requests, process_figures())
    registry.register(Shown(snapshot))
    encode, kind = choose_encoder(accept)
    return encode(registry), kind


class Shown:
    """A snapshot as a registry asks for it."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot

    def collect(self) -> Iterable[Metric]:
        """The families."""
        from fedsight.collector.metrics.families import families

        return families(self._snapshot)

    def describe(self) -> Iterable[Metric]:
        """Nothing is known beforehand."""
        return []


ENDPOINTS = (Endpoint("GET", "/metrics", metrics, Nothing, (), text=TEXT),)
