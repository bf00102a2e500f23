"""What was read of the whole store is read anew once anybody wrote, and never in between."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from fedsight.collector.store import manifest
from fedsight.collector.store.hot_rows import batches
from fedsight.collector.store.schema import (
    FILE_NAME,
    StoreConnection,
    connect_reader,
    remembered,
)
from fedsight.signals import Sample
from tests.collector.store.kept_store import KeptStore

START = 1_795_341_120 * 10**9


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[KeptStore]:
    opened = KeptStore(tmp_path)
    yield opened
    opened.close()


@pytest.fixture
def reader(kept: KeptStore) -> Iterator[StoreConnection]:
    with closing(connect_reader(kept.store.folder / FILE_NAME)) as connection:
        yield connection


def send(kept: KeptStore, second: int) -> None:
    kept.send([Sample(START + second * 10**9, "load", 1.0)])


def looked(reader: StoreConnection) -> tuple[tuple[int, int], list[str]]:
    reader.begin()
    try:
        return batches(reader), [segment.file for segment in manifest.segments(reader)]
    finally:
        reader.end()


def test_what_was_written_is_seen_by_the_next_snapshot(
    kept: KeptStore, reader: StoreConnection
) -> None:
    assert looked(reader) == ((0, 0), [])
    for second in range(3):
        send(kept, second)
        assert looked(reader) == ((1, second + 1), [])
    assert kept.upkeep.seal()
    assert looked(reader) == ((0, 0), [kept.segments()[0].file])


def test_a_snapshot_that_is_open_stays_what_it_was(
    kept: KeptStore, reader: StoreConnection
) -> None:
    send(kept, 1)
    reader.begin()
    send(kept, 2)
    assert batches(reader) == (1, 1)
    send(kept, 3)
    assert batches(reader) == (1, 1)
    reader.end()
    assert looked(reader)[0] == (1, 3)


def test_it_is_read_once_for_as_long_as_nobody_writes(
    kept: KeptStore, reader: StoreConnection
) -> None:
    asked = 0

    @remembered
    def counted(_: sqlite3.Connection) -> int:
        nonlocal asked
        asked += 1
        return asked

    for _ in range(3):
        reader.begin()
        assert counted(reader) == counted(reader) == 1
        reader.end()
    assert counted(reader) == 2, "without a snapshot nothing is remembered"
    send(kept, 1)
    reader.begin()
    assert counted(reader) == 3
    reader.end()
