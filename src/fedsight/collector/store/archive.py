"""What the reading threads of one store share: its series, its hot rows, its sealed files."""

from __future__ import annotations

import sqlite3
from contextlib import AbstractContextManager
from pathlib import Path

from fedsight.collector.store import manifest
from fedsight.collector.store.contract import Selection
from fedsight.collector.store.hot_rows import HotRows
from fedsight.collector.store.leases import Leases
from fedsight.collector.store.run_samples import StoredSampleReader
from fedsight.collector.store.samples import HotSampleReader, SampleReader
from fedsight.collector.store.sealed import Sealed
from fedsight.collector.store.search import FEW, EmbeddedSearch
from fedsight.collector.store.series_index import SeriesIndex

#: Hot samples that are looked through in no time.
AT_HAND = 100_000
#: The folder of the sealed files, beside the hot log.
FOLDER = "samples"


class Archive:
    """As `SampleArchive`: the samples of one data directory.

    Windows over more than about `few` samples are summed up by DuckDB.
    """

    def __init__(self, data: Path, few: int = FEW) -> None:
        self.few = few
        self.index = SeriesIndex()
        self.hot = HotRows()
        self.sealed = Sealed(data / FOLDER)
        self.leases = Leases()

    def search(self, snapshot: sqlite3.Connection) -> EmbeddedSearch:
        """As `SampleArchive.search`."""
        return EmbeddedSearch(snapshot, self.index, self.hot, self.sealed, self.few)

    def at_hand(self, snapshot: sqlite3.Connection, selection: Selection) -> EmbeddedSearch | None:
        """As `SampleArchive.at_hand`."""
        known = self.index.remembers(snapshot, selection.matchers)
        if not known or not self.hot.holds(snapshot, AT_HAND):
            return None
        search = self.search(snapshot)
        return search if search.at_hand(selection) else None

    def run_samples(self, snapshot: sqlite3.Connection) -> SampleReader:
        """As `SampleArchive.run_samples`."""
        hot = HotSampleReader(snapshot)
        segments = manifest.raw(manifest.segments(snapshot))
        return StoredSampleReader(hot, self.sealed, segments) if segments else hot

    def lease(self) -> AbstractContextManager[None]:
        """As `SampleArchive.lease`."""
        return self.leases.held()

    def close(self) -> None:
        """As `SampleArchive.close`."""
        self.sealed.close()
