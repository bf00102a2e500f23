"""What the reading threads of a store with InfluxDB share."""

from __future__ import annotations

import sqlite3
from contextlib import AbstractContextManager, nullcontext

from fedsight.collector.influx.client import Influx
from fedsight.collector.influx.remote import Remote
from fedsight.collector.influx.run_samples import InfluxSampleReader
from fedsight.collector.influx.search import InfluxSearch
from fedsight.collector.store.contract import Selection
from fedsight.collector.store.hot_rows import HotRows
from fedsight.collector.store.samples import HotSampleReader
from fedsight.collector.store.series_index import SeriesIndex


class InfluxArchive:
    """As `SampleArchive`: the samples of one data directory and its InfluxDB."""

    def __init__(self, influx: Influx) -> None:
        self._influx = influx
        self.index = SeriesIndex()
        self.hot = HotRows()

    def search(self, snapshot: sqlite3.Connection) -> InfluxSearch:
        """As `SampleArchive.search`."""
        return InfluxSearch(snapshot, self.index, self.hot, self._influx)

    def at_hand(self, snapshot: sqlite3.Connection, selection: Selection) -> None:
        """As `SampleArchive.at_hand`: InfluxDB has to be asked."""

    def run_samples(self, snapshot: sqlite3.Connection) -> InfluxSampleReader:
        """As `SampleArchive.run_samples`."""
        self.index.refresh(snapshot)
        return InfluxSampleReader(HotSampleReader(snapshot), Remote(self._influx, self.index))

    def lease(self) -> AbstractContextManager[None]:
        """As `SampleArchive.lease`: nothing that a snapshot names is taken away."""
        return nullcontext()

    def close(self) -> None:
        """As `SampleArchive.close`."""
        self._influx.close()
