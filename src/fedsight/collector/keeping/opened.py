"""Opens a store for a command: for reading beside a collector, or alone to change it."""

from __future__ import annotations

import os
import secrets
import shutil
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from fedsight.collector.directory import open_directory
from fedsight.collector.ingest import Ingest
from fedsight.collector.store import manifest
from fedsight.collector.store.archive import FOLDER, Archive
from fedsight.collector.store.orphans import PINNED, clean
from fedsight.collector.store.schema import FILE_NAME, connect_reader
from fedsight.collector.store.settling import Settling
from fedsight.collector.store.storefile import open_readonly, open_store
from fedsight.errors import StoreError

#: How often reading begins again because files were merged just then.
ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class Reading:
    """One snapshot of a store, whose files stay while it is read."""

    store: sqlite3.Connection
    archive: Archive


@dataclass(frozen=True, slots=True)
class Changing:
    """A store that no collector has open."""

    data: Path
    ingest: Ingest
    archive: Archive
    settling: Settling

    @property
    def file(self) -> Path:
        """The hot log."""
        return self.data / FILE_NAME


@contextmanager
def reading(data: Path) -> Iterator[Reading]:
    """A store to be read at leisure, whether a collector runs or not.

    A collector may merge files meanwhile: they are linked under a second name, so that they stay.
    Raises StoreError where there is no store, or one that cannot be read.
    """
    for attempt in range(1, ATTEMPTS + 1):
        with closing(open_readonly(data)) as store:
            store.execute("BEGIN")
            pins = data / FOLDER / f"{PINNED}{os.getpid()}-{secrets.token_hex(4)}"
            try:
                _pin(data / FOLDER, pins, [s.file for s in manifest.segments(store)])
                archive = Archive(data)
                archive.sealed.folder = pins
                archive.sealed.look(manifest.segments(store))
                if archive.sealed.problems and attempt < ATTEMPTS:
                    continue  # merged between the snapshot and here, or gone indeed
                yield Reading(store, archive)
                archive.close()
                return
            finally:
                shutil.rmtree(pins, ignore_errors=True)


def _pin(folder: Path, pins: Path, files: Sequence[str]) -> None:
    """Link each file that is there; those that are not are noted by whoever looks."""
    try:
        if files:
            pins.mkdir(mode=0o700, parents=True)
        for file in files:
            if (folder / file).is_file():
                (pins / file).hardlink_to(folder / file)
    except FileNotFoundError:
        return
    except OSError as error:
        raise StoreError(f"cannot link files in {folder}: {error.strerror}") from error


@contextmanager
def changing(data: Path) -> Iterator[Changing]:
    """A store for this process alone. Raises StoreError where a collector has it."""
    directory = open_directory(data)
    try:
        connection, kept = open_store(directory.path)
        if kept is not None:
            connection.close()
            raise StoreError(f"the store in {data} was damaged; it is kept as {kept}")
        file = directory.path / FILE_NAME
        archive = Archive(directory.path)
        ingest = Ingest(connection, file, lambda: None)
        settling = Settling(archive.sealed.folder, ingest)
        try:
            with closing(connect_reader(file)) as store:
                clean(archive.sealed.folder, store)
                archive.sealed.look(manifest.segments(store))
            yield Changing(directory.path, ingest, archive, settling)
        finally:
            archive.close()
            ingest.close()
            settling.end(file)
    finally:
        directory.close()
