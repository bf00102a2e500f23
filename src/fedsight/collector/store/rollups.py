"""Roll-ups: what whole minutes, five minutes and hours held, kept longer than the samples."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from fedsight.collector.store.manifest import STEPS, Segment
from fedsight.collector.store.parquet import Origin, rolled_query, write

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

#: A roll-up is worth its bytes beside its samples where it has at most one window for so many.
WORTH = 60


def roll_up(
    engine: DuckDBPyConnection, folder: Path, raw: Segment, *, last_chance: bool = False
) -> list[Segment]:
    """Write the roll-ups of a raw file that are worth it; all of them before its samples go.

    Each is made of the one before. Raises what writing raises; nothing is left then.
    """
    made: list[Segment] = []
    source, of_rolled = raw, False
    try:
        for step in STEPS:
            origin = Origin(raw.level, raw.first_batch, raw.last_batch, raw.id or None)
            query = rolled_query(folder / source.file, step, of_rolled=of_rolled)
            rolled = write(engine, folder, query, step, origin)
            made.append(rolled)
            source, of_rolled = rolled, True
    except BaseException:
        drop(folder, made)
        raise
    kept = [each for each in made if last_chance or each.n * WORTH <= raw.n]
    drop(folder, [each for each in made if each not in kept])
    return kept


def drop(folder: Path, segments: Sequence[Segment]) -> None:
    """Unlink files that no row names yet."""
    for segment in segments:
        (folder / segment.file).unlink(missing_ok=True)
