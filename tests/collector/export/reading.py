"""A source over a real store for what happened, and the fake store of samples for the rest."""

from __future__ import annotations

import sqlite3
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import duckdb

from fedsight.collector.export.job import write_archive, write_tables
from fedsight.collector.export.request import ExportRequest, scope_of
from fedsight.collector.export.source import Unwatched
from fedsight.collector.store.contract import SampleSearch
from fedsight.collector.store.fake_samples import MemorySamples
from fedsight.signals import Batch, Sample, samples_of
from tests.collector.open_store import Store
from tests.collector.shipments import shipment

Answer = TypeVar("Answer")


class Read:
    """As `Source`: send batches to it, then export."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.kept: list[Sample] = []

    def send(self, journal: str, records: Sequence[Batch]) -> None:
        """A journal's records, all at once."""
        self.store.send(shipment(journal, list(records)))
        self.kept += [each for record in records for each in samples_of(record.samples)]

    def rows(self, question: Callable[[sqlite3.Connection], Answer]) -> Answer:
        """As `Source.rows`."""
        return self.store.readers.ask_now(question)

    def samples(self, question: Callable[[SampleSearch], Answer]) -> Answer:
        """As `Source.samples`."""
        return question(MemorySamples(self.kept))


def exported(source: Read, request: ExportRequest, most: int = 1_000_000) -> dict[str, Path]:
    """The file of each table."""
    folder = source.store.folder / "out"
    folder.mkdir()
    tables = write_tables(source, scope_of(request), folder, Unwatched(), most)
    assert {file.name for file in folder.iterdir()} == {table.path.name for table in tables}
    return {table.name: table.path for table in tables}


def archived(source: Read, request: ExportRequest) -> zipfile.ZipFile:
    """The archive."""
    folder = source.store.folder / "work"
    folder.mkdir()
    target = source.store.folder / "archive.zip"
    write_archive(source, scope_of(request), folder, target, Unwatched())
    assert list(folder.iterdir()) == []
    return zipfile.ZipFile(target)


def table(file: Path, query: str = "SELECT * FROM 'FILE'") -> list[tuple[object, ...]]:
    """What SQL finds in a file."""
    return duckdb.sql(query.replace("FILE", str(file))).fetchall()
