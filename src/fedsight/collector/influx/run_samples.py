"""A run's samples round by round, from InfluxDB and the hot log."""

from __future__ import annotations

import numpy as np

from fedsight.collector.influx.remote import Remote, Wanted
from fedsight.collector.influx.search import LATEST, asked
from fedsight.collector.store.contract import Matcher
from fedsight.collector.store.raw import RawSamples
from fedsight.collector.store.samples import HotSampleReader, RunSamples, cut, position

#: Windows that a range of rounds is parted into at most.
WINDOWS = 10_000


class InfluxSampleReader:
    """As `SampleReader`: what InfluxDB has comes before what is hot, as it arrived earlier.

    Raises RefusedError (503) while InfluxDB cannot be asked.
    """

    def __init__(self, hot: HotSampleReader, remote: Remote) -> None:
        self._hot = hot
        self._remote = remote

    def of_run(self, run: str, first_round: int, last_round: int) -> RunSamples:
        """As `SampleReader.of_run`."""
        hot = self._hot.of_run(run, first_round, last_round)
        stored = self._stored(run, (max(0, first_round), last_round))
        if not len(stored.series):
            return hot
        ids = self._hot.series_ids(run).tolist()
        return RunSamples(
            hot.names,
            hot.nodes,
            np.concatenate([position(ids, stored.series), hot.series]),
            np.concatenate([stored.round, hot.round]),
            np.concatenate([stored.value, hot.value]),
        )

    def windows(
        self, run: str, first_round: int, last_round: int, samples: int
    ) -> list[tuple[int, int]]:
        """As `SampleReader.windows`, as if each round had a sample of every series of the run."""
        hot = self._hot.batches(run, first_round, last_round)
        number = len(self._hot.series_ids(run))
        there = asked(lambda: self._remote.rounds(run)) if number else None
        if there is None:
            return cut(hot, first_round, last_round, samples)
        first, last = max(first_round, there[0]), min(last_round, there[1])
        width = max(1, samples // number, (last - first) // WINDOWS)
        stored = [(at, at + width - 1, width * number) for at in range(first, last + 1, width)]
        return cut(sorted([*stored, *hot]), first_round, last_round, samples)

    def _stored(self, run: str, rounds: tuple[int, int]) -> RawSamples:
        ids = self._hot.series_ids(run)
        wanted = Wanted(ids, (Matcher("run", "=", run),), 0, LATEST, rounds)
        return asked(lambda: self._remote.raw(wanted))
