"""The Prometheus monitor: scrapes one target."""

from __future__ import annotations

from urllib.parse import urlsplit

from msgspec import Struct

from fedsight.collector.monitors.asking import Asking, Place
from fedsight.collector.monitors.contract import Found
from fedsight.collector.monitors.exposition import Bounds, scrape
from fedsight.collector.monitors.round_trip import trip_samples
from fedsight.door.times import now_ns
from fedsight.signals import batch


class TargetState(Struct, frozen=True):
    """What the last scrape gave."""

    samples: int


class PrometheusMonitor:
    """Scrapes the target called `name` at `address`, a whole URL; its samples are labelled
    `job="NAME"`."""

    def __init__(self, asking: Asking, name: str, address: str, bounds: Bounds) -> None:
        parts = urlsplit(address)
        self._place = Place(asking, f"target {name}", f"{parts.scheme}://{parts.netloc}")
        self._path = (parts.path or "/metrics") + (f"?{parts.query}" if parts.query else "")
        self._job = name
        self._bounds = bounds

    @property
    def name(self) -> str:
        """Which monitor this is."""
        return f"prometheus:{self._job}"

    @property
    def address(self) -> str:
        """What is scraped; without its query, where a token may stand."""
        return f"{self._place.address}{self._path.partition('?')[0]}"

    async def collect(self, cursor: bytes | None) -> Found:
        """As `Monitor.collect`; there is no cursor."""
        labels, now = {"job": self._job}, now_ns()
        trip = await self._place.reach()
        samples = await scrape(self._place, self._path, labels, self._bounds, now)
        own = trip_samples(self.name, trip, now)
        return Found(batch([*samples, *own]), TargetState(len(samples)))
