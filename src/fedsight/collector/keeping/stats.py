"""What a store holds and what it takes up, told without opening a sealed file."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from msgspec import Struct

from fedsight.collector.reading import queries
from fedsight.collector.store import manifest
from fedsight.collector.store.manifest import STEPS, Segment
from fedsight.collector.store.schema import FILE_NAME
from fedsight.collector.store.sealing import hot_state
from fedsight.door.times import rfc3339


class Files(Struct, frozen=True):
    """Sealed files of one kind; `rows` are samples, or windows of a roll-up."""

    files: int
    rows: int
    bytes: int
    first: str | None
    last: str | None


class StoreStats(Struct, frozen=True):
    """What a store holds. `bytes_per_sample` is that of sealed samples, their roll-ups included."""

    runs: int
    events: int
    spans: int
    series: int
    samples: int
    hot_samples: int
    sealed: Files
    rollups: dict[str, Files]
    bytes_per_sample: float | None
    database_bytes: int


def stats(store: sqlite3.Connection, data: Path) -> StoreStats:
    """What a store holds, by its tables."""
    segments = manifest.segments(store)
    raw, counts = manifest.raw(segments), queries.counts(store)
    sealed = sum(segment.n for segment in raw)
    size = sum(segment.bytes for segment in segments)
    return StoreStats(
        counts.runs,
        counts.events,
        counts.spans,
        int(store.execute("SELECT count(*) FROM series").fetchone()[0]),
        counts.samples,
        hot_state(store).samples,
        files(raw),
        {name: files([s for s in segments if s.step == step]) for step, name in STEPS.items()},
        round(size / sealed, 2) if sealed else None,
        database_bytes(data),
    )


def files(segments: list[Segment]) -> Files:
    """Files taken together."""
    return Files(
        len(segments),
        sum(segment.n for segment in segments),
        sum(segment.bytes for segment in segments),
        rfc3339(min(s.first_time for s in segments)) if segments else None,
        rfc3339(max(s.last_time for s in segments)) if segments else None,
    )


def database_bytes(data: Path) -> int:
    """The size of the database with its write-ahead log."""
    names = (FILE_NAME, f"{FILE_NAME}-wal")
    return sum((data / n).stat().st_size for n in names if (data / n).exists())
