"""What the reading threads of one store share: its series, its hot rows, its sealed files."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from fedsight.collector.store.hot_rows import HotRows
from fedsight.collector.store.search import EmbeddedSearch
from fedsight.collector.store.series_index import SeriesIndex

#: The folder of the sealed files, beside the hot log.
FOLDER = "samples"


class Archive:
    """The samples of one data directory, for reading by any thread."""

    def __init__(self, data: Path) -> None:
        self.folder = data / FOLDER
        self.index = SeriesIndex()
        self.hot = HotRows()

    def search(self, snapshot: sqlite3.Connection) -> EmbeddedSearch:
        """Answers over one snapshot, of use while its transaction lasts."""
        return EmbeddedSearch(snapshot, self.index, self.hot)
