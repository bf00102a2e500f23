"""Merges sealed files into larger ones, so that a question opens few of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from fedsight.collector.store import manifest
from fedsight.collector.store.manifest import Segment, told
from fedsight.collector.store.overlap import Span, shared, united_spans
from fedsight.collector.store.parquet import Origin, merged_query, write
from fedsight.collector.store.rollups import roll_up
from fedsight.collector.store.settling import Settling, all_or_none

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

#: Files of about the same size that are merged together.
FAN_IN = 4
#: Samples of a file that is not merged any further.
LARGEST = 16_000_000
#: A file belongs to the tier of the files up to so many samples, times FAN_IN a tier.
SMALLEST_TIER = 1_500_000


def tier(samples: int) -> int:
    """How large a file is: FAN_IN files of a tier make one of the next."""
    found = 0
    while samples > SMALLEST_TIER * FAN_IN**found:
        found += 1
    return found


def due(raw: Sequence[Segment], widest: int | None = None) -> list[Segment]:
    """The files to be merged next, if any, in the order of their arrival.

    The times at which they end are at most `widest` ns apart, as a file expires as a whole.

    They follow each other without a gap, so that of samples that are the same the later arrival
    still counts. Each sample is merged a few times at most: only with files of about its own size.
    """
    for start in range(len(raw)):
        chosen: list[Segment] = []
        level = tier(raw[start].n)
        for segment in raw[start:]:
            if tier(segment.n) > level or not _together([*chosen, segment], widest):
                break
            chosen.append(segment)
        if sum(tier(segment.n) == level for segment in chosen) >= FAN_IN:
            return chosen
    return []


def all_due(raw: Sequence[Segment], widest: int | None = None) -> list[Segment]:
    """As `due`, but as many as fit into one file, whatever their sizes: for a compaction.

    A file that is alone is written anew where it never was merged, to have its roll-ups.
    """
    for start in range(len(raw)):
        chosen: list[Segment] = []
        for segment in raw[start:]:
            if not _together([*chosen, segment], widest):
                break
            chosen.append(segment)
        if len(chosen) > 1 or (chosen and not chosen[0].level):
            return chosen
    return []


def _together(segments: Sequence[Segment], widest: int | None) -> bool:
    ends = [segment.last_time for segment in segments]
    near = widest is None or max(ends) - min(ends) <= widest
    return near and sum(segment.n for segment in segments) <= LARGEST


def merge(engine: DuckDBPyConnection, settling: Settling, chosen: Sequence[Segment]) -> Segment:
    """Merge files into one with its roll-ups; the files replaced are still there.

    Raises what writing raises; then nothing has changed.
    """
    folder, everything = settling.folder, Span(0, 2**63 - 1)
    spans = [span for segment in chosen for span in segment.times]
    twice = shared(spans, everything)
    query = merged_query([folder / segment.file for segment in chosen], twice)
    level = 1 + max(segment.level for segment in chosen)
    origin = Origin(level, chosen[0].first_batch, chosen[-1].last_batch)
    new = write(engine, folder, query, 0, origin)._replace(spans=told(united_spans(spans)))
    with all_or_none(folder, [new]):
        rolled = roll_up(engine, folder, new)
    return settling.change(
        lambda store: manifest.replace(store, chosen, new, rolled), [new, *rolled]
    )
