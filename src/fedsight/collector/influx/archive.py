"""What the reading threads of a store with InfluxDB share."""

from __future__ import annotations

import sqlite3

from fedsight.collector.influx.client import Influx
from fedsight.collector.influx.search import InfluxSearch
from fedsight.collector.store.hot_rows import HotRows
from fedsight.collector.store.series_index import SeriesIndex


class InfluxArchive:
    """The samples of one data directory and its InfluxDB, for reading by any thread."""

    def __init__(self, influx: Influx) -> None:
        self._influx = influx
        self.index = SeriesIndex()
        self.hot = HotRows()

    def search(self, snapshot: sqlite3.Connection) -> InfluxSearch:
        """Answers over one snapshot, of use while its transaction lasts."""
        return InfluxSearch(snapshot, self.index, self.hot, self._influx)
