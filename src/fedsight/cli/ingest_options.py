"""What the settings say about ingest, as the collector's options have it."""

from __future__ import annotations

from typing import TypedDict

from fedsight.config import Settings

MIB = 2**20
#: Requests that may come at once, as seconds of the rate.
BURST_SECONDS = 2.0


class IngestOptions(TypedDict):
    """Options of `CollectorOptions` by name."""

    body_bytes: int
    waiting_bytes: int
    ingest_rate: float
    ingest_burst: float
    most_series: int
    new_series: int
    future_seconds: float


def ingest_options(settings: Settings) -> IngestOptions:
    """The options of the table `[ingest]`."""
    ingest = settings.ingest
    return IngestOptions(
        body_bytes=ingest.body_mb * MIB,
        waiting_bytes=ingest.waiting_mb * MIB,
        ingest_rate=ingest.requests_a_second,
        ingest_burst=max(1.0, BURST_SECONDS * ingest.requests_a_second),
        most_series=ingest.most_series,
        new_series=ingest.new_series_a_minute,
        future_seconds=ingest.future_seconds,
    )
