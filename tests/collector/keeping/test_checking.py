"""`verify` finds what is wrong, and names it; what is right is still read."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb
import pytest

from fedsight.collector.keeping.checking import verify
from fedsight.collector.keeping.opened import reading
from fedsight.collector.store import manifest
from fedsight.collector.store.schema import FILE_NAME, PAGE_BYTES
from tests.collector.store.contract_suite.suite import SECOND, at, named, rows
from tests.collector.store.kept_store import KeptStore


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[KeptStore]:
    """Two sealed files and a hot row."""
    opened = KeptStore(tmp_path)
    for second in (1, 2):
        opened.send([at(second, float(second)), at(second, 9.0, node="b")])
        opened.upkeep.seal()
    opened.send([at(3, 3.0)])
    yield opened
    opened.close()


def wrong(data: Path) -> dict[str, str]:
    with reading(data) as source:
        found = list(verify(source.store, source.archive.sealed.folder))
    return {each.name: each.wrong for each in found if each.wrong is not None}


def rewritten(file: Path, query: str) -> None:
    duckdb.sql(f"COPY ({query.format(file=file)}) TO '{file}.new' (FORMAT parquet)")
    Path(f"{file}.new").rename(file)


def torn(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-20])


def flipped(file: Path) -> None:
    whole = bytearray(file.read_bytes())
    whole[len(whole) // 3] ^= 1
    file.write_bytes(whole)


def gone(file: Path) -> None:
    file.unlink()


def test_a_sound_store_has_nothing_wrong(kept: KeptStore):
    assert wrong(kept.store.folder) == {}


@pytest.mark.parametrize(
    ("spoil", "told"), [(gone, "missing"), (torn, "bytes instead of"), (flipped, "checksum")]
)
def test_a_spoilt_file_is_named(kept: KeptStore, spoil: Callable[[Path], None], told: str):
    first = kept.segments()[0]
    spoil(kept.folder / first.file)
    found = wrong(kept.store.folder)
    assert list(found) == [first.file]
    assert told in found[first.file]


def test_rows_out_of_order_are_found_even_where_the_row_was_made_to_fit(kept: KeptStore):
    first = kept.segments()[0]
    file = kept.folder / first.file
    rewritten(file, "SELECT * FROM '{file}' ORDER BY series DESC")
    from fedsight.collector.store.parquet import digest

    def fit(store: sqlite3.Connection) -> None:
        query = "UPDATE segments SET sha256 = ?, bytes = ? WHERE id = ?"
        store.execute(query, (digest(file), file.stat().st_size, first.id))

    kept.store.ingest.change(fit).result(10)
    assert "out of order" in wrong(kept.store.folder)[first.file]


def test_batches_that_were_sealed_twice_are_found(kept: KeptStore):
    first = kept.segments()[0]
    twice = (kept.folder / first.file).with_name("raw-1-1-0badcafe.parquet")
    twice.write_bytes((kept.folder / first.file).read_bytes())
    copy = first._replace(file=twice.name)
    kept.store.ingest.change(lambda store: manifest.add(store, copy)).result(10)
    assert list(wrong(kept.store.folder)) == ["arrivals"]


def test_a_damaged_database_is_found(kept: KeptStore, tmp_path: Path):
    kept.store.close()
    file = tmp_path / FILE_NAME
    page = bytearray(file.read_bytes())
    page[PAGE_BYTES * 3 : PAGE_BYTES * 3 + 200] = b"\xff" * 200
    file.write_bytes(page)
    assert FILE_NAME in wrong(tmp_path)
    kept.store._open()


@pytest.mark.parametrize("spoil", [gone, torn, flipped])
def test_the_rest_is_read_and_health_names_the_file(kept: KeptStore, spoil: Callable[[Path], None]):
    first = kept.segments()[0]
    whole = (kept.folder / first.file).read_bytes()
    if spoil is flipped:  # of all bytes those of a page header, so that reading cannot but fail
        (kept.folder / first.file).write_bytes(whole[:4] + bytes(len(whole) - 12) + whole[-8:])
    else:
        spoil(kept.folder / first.file)
    (found,) = kept.ask(lambda s: list(s.points(named("load"), 100)))[:1]
    assert rows(found) == [(2, 2.0), (3, 3.0)]
    assert kept.upkeep.wrong is not None
    assert first.file in kept.upkeep.wrong
    windows = kept.ask(lambda s: s.windows(named("load"), 60 * SECOND, "count"))
    assert [each.value.tolist() for each in windows] == [[2.0], [1.0]]
    kept.upkeep.compact()  # leaves the spoilt file where it is
    assert first.file in {segment.file for segment in kept.segments()}


def test_a_file_that_came_back_is_read_again_after_a_restart(kept: KeptStore):
    first = kept.segments()[0]
    file = kept.folder / first.file
    whole = file.read_bytes()
    file.unlink()
    kept.ask(lambda s: list(s.points(named("load"), 100)))
    file.write_bytes(whole)
    kept.store.restart()
    archive = kept.store.readers.archive
    question = kept.store.readers.ask_now
    found = question(lambda snapshot: list(archive.search(snapshot).points(named("load"), 100)))
    assert rows(found[0]) == [(1, 1.0), (2, 2.0), (3, 3.0)]
