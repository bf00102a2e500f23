"""A real store whose upkeep a test does by hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from fedsight.collector.store import manifest
from fedsight.collector.store.archive import Archive
from fedsight.collector.store.contract import SampleSearch
from fedsight.collector.store.manifest import Segment
from fedsight.collector.store.schema import FILE_NAME
from fedsight.collector.store.upkeep import Upkeep, Upkeeping
from fedsight.signals import Sample, batch
from tests.collector.open_store import Store


class KeptStore:
    """An open store with an upkeep that was not started."""

    def __init__(self, folder: Path, how: Upkeeping | None = None) -> None:
        self.store = Store(folder)
        archive = self.store.readers.archive
        assert isinstance(archive, Archive)
        self.archive = archive
        file = folder / FILE_NAME
        self.upkeep = Upkeep(archive, self.store.ingest, file, how or Upkeeping())

    @property
    def folder(self) -> Path:
        """Where the sealed files are."""
        return self.archive.sealed.folder

    def send(self, samples: Sequence[Sample]) -> None:
        """Take samples in as one arrival."""
        if samples:
            self.store.ingest.keep(batch(samples)).result(10)

    def ask(self, question: Callable[[SampleSearch], Any]) -> Any:
        """Ask over one snapshot."""
        search = self.archive.search
        return self.store.readers.ask_now(lambda snapshot: question(search(snapshot)))

    def segments(self) -> list[Segment]:
        """The manifest."""
        found: list[Segment] = self.store.ask(manifest.segments)
        return found

    def close(self) -> None:
        """Close."""
        self.upkeep.close()
        self.store.close()
