"""The database shrinks once its samples are sealed, also one made before files could."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from fedsight.collector.store.retention import Upkeeping
from fedsight.collector.store.schema import FILE_NAME
from fedsight.errors import StoreError
from tests.collector.store.contract_suite.suite import at
from tests.collector.store.kept_store import KeptStore

MIB = 2**20
SPARE = MIB


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[KeptStore]:
    opened = KeptStore(tmp_path, Upkeeping(seal_samples=10_000))
    yield opened
    opened.close()


def fill(kept: KeptStore, samples: int = 200_000) -> None:
    """Many samples in the hot log: 24 bytes each."""
    for first in range(0, samples, 50_000):
        kept.send([at(second, float(second)) for second in range(first, first + 50_000)])


def size(kept: KeptStore) -> int:
    files = (file_of(kept), file_of(kept).with_name(f"{FILE_NAME}-wal"))
    return sum(file.stat().st_size for file in files)


def told(kept: KeptStore, pragma: str) -> object:
    return kept.store.ingest.alone(lambda store: store.execute(pragma).fetchone()).result(10)[0]


def file_of(kept: KeptStore) -> Path:
    return kept.store.folder / FILE_NAME


def seal_all(kept: KeptStore) -> None:
    while kept.upkeep.step():
        pass


def test_the_file_shrinks_to_what_it_needs_and_some_spare_pages(kept: KeptStore):
    fill(kept)
    assert size(kept) > 4 * MIB
    seal_all(kept)
    kept.upkeep.give_back(spare=SPARE)
    assert SPARE < size(kept) < SPARE + MIB
    kept.upkeep.give_back(spare=0)
    assert size(kept) < MIB
    fill(kept, 50_000)
    assert told(kept, "PRAGMA quick_check") == "ok"


def test_a_reader_in_the_way_stops_nothing(kept: KeptStore):
    fill(kept)
    with sqlite3.connect(f"{file_of(kept).as_uri()}?mode=ro", uri=True) as reader:
        reader.execute("BEGIN")
        before = reader.execute("SELECT sum(n) FROM sample_batches").fetchone()
        seal_all(kept)
        kept.upkeep.give_back(spare=0)
        assert reader.execute("SELECT sum(n) FROM sample_batches").fetchone() == before
    reader.close()
    kept.upkeep.compact()
    assert told(kept, "PRAGMA freelist_count") == 0


def test_a_compaction_mends_a_file_that_could_not_shrink(tmp_path: Path):
    kept = KeptStore(tmp_path, Upkeeping(seal_samples=10_000))
    kept.store.ingest.alone(old).result()
    fill(kept)
    seal_all(kept)
    kept.upkeep.give_back(spare=0)
    assert size(kept) > 4 * MIB
    kept.upkeep.compact()
    kept.close()
    assert file_of(kept).stat().st_size < MIB


def old(store: sqlite3.Connection) -> None:
    """As files were made before."""
    store.execute("PRAGMA journal_mode=DELETE")
    store.execute("PRAGMA auto_vacuum=0")
    store.execute("VACUUM")
    store.execute("PRAGMA journal_mode=WAL")


def test_what_fails_between_transactions_is_told_and_the_next_goes_on(kept: KeptStore):
    with pytest.raises(StoreError, match="no such table"):
        kept.store.ingest.alone(lambda store: store.execute("DELETE FROM absent")).result(5)
    kept.send([at(0, 1.0)])
