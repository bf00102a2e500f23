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
WORTH = 40


def roll_up(
    engine: DuckDBPyConnection, folder: Path, raw: Segment, *, last_chance: bool = False
) -> list[Segment]:
    """Write the roll-ups of a raw file that are worth it; all of them before its samples go.

    Each is made of the one before. Raises what writing raises; nothing is left then.
    """
    made: list[Segment] = []
    try:
        series = _series(engine, folder / raw.file)
        for step in STEPS:
            if not last_chance and _most_windows(raw, series, step) * WORTH > raw.n:
                continue
            origin = Origin(raw.level, raw.first_batch, raw.last_batch, raw.id or None)
            source = folder / (made[-1].file if made else raw.file)
            query = rolled_query(source, step, of_rolled=bool(made))
            made.append(write(engine, folder, query, step, origin))
    except BaseException:  # stopped, too: no file stays that nothing names; it is raised on
        drop(folder, made)
        raise
    return made


def _series(engine: DuckDBPyConnection, file: Path) -> int:
    query = "SELECT count(DISTINCT series) FROM read_parquet(?)"
    return int(engine.execute(query, [str(file)]).fetchall()[0][0])


def _most_windows(raw: Segment, series: int, step: int) -> int:
    """How many windows a roll-up has where every series has samples all the time."""
    return series * (raw.last_time // step - raw.first_time // step + 1)


def drop(folder: Path, segments: Sequence[Segment]) -> None:
    """Unlink files that no row names yet."""
    for segment in segments:
        (folder / segment.file).unlink(missing_ok=True)
