"""A run's samples round by round, from sealed files and the hot log alike."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fedsight.collector.store.manifest import Segment
from fedsight.collector.store.raw import RawSamples, joined, within
from fedsight.collector.store.samples import (
    HotSampleReader,
    RunSamples,
    cut,
    position,
)
from fedsight.collector.store.sealed import Sealed

EVER = 2**63 - 1


class StoredSampleReader:
    """As `SampleReader`: what was sealed comes before what is hot, as it arrived earlier."""

    def __init__(self, hot: HotSampleReader, sealed: Sealed, segments: list[Segment]) -> None:
        self._hot = hot
        self._sealed = sealed
        self._segments = segments

    def of_run(self, run: str, first_round: int, last_round: int) -> RunSamples:
        """As `SampleReader.of_run`."""
        hot = self._hot.of_run(run, first_round, last_round)
        ids = self._hot.series_ids(run)
        sealed = self._sealed_rows(ids, first_round, last_round)
        if not len(sealed.series):
            return hot
        return RunSamples(
            hot.names,
            hot.nodes,
            np.concatenate([position(ids.tolist(), sealed.series), hot.series]),
            np.concatenate([sealed.round, hot.round]),
            np.concatenate([sealed.value, hot.value]),
        )

    def windows(
        self, run: str, first_round: int, last_round: int, samples: int
    ) -> list[tuple[int, int]]:
        """As `SampleReader.windows`; hot batches are never parted, sealed rounds lie between."""
        ids = self._hot.series_ids(run)
        hot = self._hot.batches(run, first_round, last_round)
        if self._most(ids) + sum(number for _, _, number in hot) <= samples:
            return [(first_round, last_round)]
        counts = self._sealed.rounds(self._segments, ids, first_round, last_round)
        blocks = [(round_, round_, number) for round_, number in counts.items()]
        return cut(sorted([*blocks, *hot]), first_round, last_round, samples)

    def _most(self, ids: NDArray[np.int64]) -> int:
        """How many sealed samples a run can have at most."""
        if not ids.size:
            return 0
        low, high = int(ids[0]), int(ids[-1])
        there = (s for s in self._segments if s.first_series <= high and s.last_series >= low)
        return sum(segment.n for segment in there)

    def _sealed_rows(self, ids: NDArray[np.int64], first: int, last: int) -> RawSamples:
        if not ids.size:
            return joined([])
        return within(self._sealed.of_rounds(self._segments, ids, first, last), ids, 0, EVER)
