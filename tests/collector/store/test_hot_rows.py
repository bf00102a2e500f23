"""Hot samples are decoded once, and a snapshot sees just its own."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from fedsight.collector.store.hot_rows import HotRows
from fedsight.collector.store.schema import FILE_NAME, connect_reader
from tests.collector.store.contract_suite.suite import at
from tests.collector.store.kept_store import KeptStore


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[KeptStore]:
    opened = KeptStore(tmp_path)
    yield opened
    opened.close()


def snapshot(kept: KeptStore) -> sqlite3.Connection:
    """What is there now, for as long as the connection is open."""
    connection = connect_reader(kept.store.folder / FILE_NAME)
    connection.execute("BEGIN")
    connection.execute("SELECT count(*) FROM sample_batches").fetchone()
    return connection


def values(hot: HotRows, store: sqlite3.Connection) -> list[float]:
    return [value for piece in hot.read(store) for value in piece.samples.value.tolist()]


def test_each_snapshot_sees_its_own_batches_whoever_asked_before(kept: KeptStore) -> None:
    hot = HotRows()
    with closing(snapshot(kept)) as empty:
        kept.send([at(1, 1.0)])
        kept.send([at(2, 2.0)])
        with closing(snapshot(kept)) as two:
            kept.upkeep.seal()
            with closing(snapshot(kept)) as sealed:
                kept.send([at(3, 3.0)])
                with closing(snapshot(kept)) as three:
                    for _ in range(2):
                        assert values(hot, three) == [3.0]
                        assert values(hot, two) == [1.0, 2.0]
                        assert values(hot, sealed) == []
                        assert values(hot, empty) == []


def test_batches_are_numbered_on_after_a_restart_though_all_were_sealed(kept: KeptStore) -> None:
    kept.send([at(1, 1.0)])
    kept.send([at(2, 2.0)])
    kept.upkeep.seal()
    kept.store.restart()
    kept.send([at(3, 3.0)])
    assert kept.store.rows("SELECT id FROM sample_batches") == [(3,)]


def test_a_piece_is_sorted_and_the_later_of_two_equals_comes_last(kept: KeptStore) -> None:
    kept.send([at(5, 5.0), at(1, 1.0)])
    kept.send([at(1, 9.0), at(3, 3.0)])
    with closing(snapshot(kept)) as store:
        (piece,) = HotRows().read(store)
    assert piece.samples.value.tolist() == [1.0, 9.0, 3.0, 5.0]
    assert piece.batch.tolist() == [1, 2, 2, 1]
