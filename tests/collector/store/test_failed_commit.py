"""A commit that failed may yet be found by a restart: its files stay until that cannot be."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fedsight.collector.ingest import DiskFullError
from fedsight.collector.store import storefile
from fedsight.collector.store.contract import Selection
from fedsight.collector.store.retention import Upkeeping
from fedsight.collector.store.schema import connect_writer
from fedsight.signals import Sample
from tests.collector.store.kept_store import KeptStore

START = 1_795_341_120 * 10**9


class Failing:
    """A writing connection whose commits fail where `fails` says so.

    "undone": nothing was written. "whole": all was, and the disk did not say that it has it.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self.fails: str | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def execute(self, query: str, *parameters: Any) -> sqlite3.Cursor:
        if self.fails is None or query != "COMMIT":
            return self._connection.execute(query, *parameters)
        if self.fails == "whole":
            self._connection.execute(query)
        error = sqlite3.OperationalError("disk I/O error")
        error.sqlite_errorcode = sqlite3.SQLITE_IOERR_FSYNC
        raise error


@pytest.fixture
def writers(monkeypatch: pytest.MonkeyPatch) -> list[Failing]:
    made: list[Failing] = []

    def connect(file: Path) -> Any:
        made.append(Failing(connect_writer(file)))
        return made[-1]

    monkeypatch.setattr(storefile, "connect_writer", connect)
    return made


@pytest.fixture
def store(tmp_path: Path, writers: list[Failing]) -> Iterator[KeptStore]:
    folder = tmp_path / "data"
    folder.mkdir()
    opened = KeptStore(folder, Upkeeping(seal_samples=2))
    yield opened
    writers[0].fails = None
    opened.close()


def send(store: KeptStore, *seconds: int) -> None:
    labels = {"node": "n-1"}
    store.send([Sample(START + s * 10**9, "load", float(s), None, labels) for s in seconds])


def values(store: KeptStore) -> list[float]:
    found = store.ask(lambda samples: list(samples.points(Selection((), 0, 2**62), 100)))
    return [value for points in found for value in points.value.tolist()]


def files(store: KeptStore) -> list[str]:
    return sorted(file.name for file in store.folder.glob("*-*.parquet"))


def after_a_crash(store: KeptStore, folder: Path) -> KeptStore:
    """What a start makes of the data directory as it is now."""
    shutil.copytree(store.folder.parent, folder)
    again = KeptStore(folder)
    again.upkeep.start()
    return again


@pytest.mark.parametrize("what", ["sealing", "merging"])
def test_a_commit_that_comes_back_finds_its_files(
    what: str, store: KeptStore, writers: list[Failing], tmp_path: Path
) -> None:
    send(store, 1, 2)
    if what == "merging":
        assert store.upkeep.seal()
        send(store, 3, 4)
        assert store.upkeep.seal()
    writers[0].fails = "whole"
    with pytest.raises(DiskFullError):
        store.upkeep.seal() if what == "sealing" else store.upkeep.merge(store.segments())
    again = after_a_crash(store, tmp_path / "again")
    try:
        assert values(again) == ([1.0, 2.0] if what == "sealing" else [1.0, 2.0, 3.0, 4.0])
        assert files(again) == [again.segments()[0].file]
        assert again.upkeep.wrong is None
    finally:
        again.close()


def test_files_of_a_commit_that_is_undone_go_with_the_next_one(
    store: KeptStore, writers: list[Failing]
) -> None:
    send(store, 1, 2)
    writers[0].fails = "undone"
    with pytest.raises(DiskFullError):
        store.upkeep.step()
    left = files(store)
    assert len(left) == 1
    with pytest.raises(DiskFullError):
        store.upkeep.step()
    assert files(store) == left, "no second file while it is uncertain what becomes of the first"
    writers[0].fails = None
    assert store.upkeep.step()
    assert files(store) == [store.segments()[0].file] != left
    assert values(store) == [1.0, 2.0]
