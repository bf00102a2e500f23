from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from fedsight.collector.reading import queries
from fedsight.collector.reading.queries import EventFilter, RunFilter
from fedsight.collector.store.schema import FILE_NAME, PAGE_BYTES
from fedsight.collector.store.storefile import note_damage, open_readonly, open_store
from fedsight.errors import StoreError
from tests.collector.open_store import Store
from tests.collector.server import Server
from tests.collector.shipments import START, shipment, whole_run


def no_database(file: Path) -> None:
    file.write_bytes(b"this is no database, but it may be dear to somebody" * 100)


def torn_page(file: Path) -> None:
    """Overwrite the middle of a real store."""
    store = Store(file.parent)
    store.send(shipment("j", whole_run("r-1", ["a", "b"], rounds=50)))
    store.close()
    content = bytearray(file.read_bytes())
    content[3 * PAGE_BYTES : 8 * PAGE_BYTES] = b"\xa5" * (5 * PAGE_BYTES)
    file.write_bytes(content)


@pytest.mark.parametrize("damage", [no_database, torn_page])
def test_a_damaged_store_is_kept_aside_and_a_new_one_begins(tmp_path: Path, damage: object) -> None:
    file = tmp_path / FILE_NAME
    assert callable(damage)
    damage(file)
    content = file.read_bytes()
    with Server(tmp_path) as running:
        (kept,) = tmp_path.glob(f"{FILE_NAME}.corrupt-*Z")
        assert kept.read_bytes() == content
        health = running.get("/health")
        assert health["status"] == "degraded"
        assert kept.name in health["components"]["store"]["error"]
        running.send("j", whole_run("r-2", ["a"]))
        assert running.get("/api/v1/runs")["total"] == 1
        code, said = running.end()
    assert (code, said) == (
        0,
        f"the store {file} is damaged; it is kept as {kept.name} and a new one begins\n",
    )
    with closing(open_readonly(tmp_path)) as store:
        found = queries.events(store, None, EventFilter(kind="STORE_RESET")).events
    assert [event.details for event in found] == [{"kept": kept.name}]


def test_a_damaged_write_ahead_log_goes_aside_with_its_store(tmp_path: Path) -> None:
    file = tmp_path / FILE_NAME
    no_database(file)
    file.with_name(f"{FILE_NAME}-wal").write_bytes(b"x" * 100)
    connection, kept = open_store(tmp_path)
    connection.close()
    assert kept is not None
    assert (tmp_path / f"{kept}-wal").read_bytes() == b"x" * 100


def test_a_database_of_another_program_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / FILE_NAME
    with closing(sqlite3.connect(file)) as other:
        other.execute("CREATE TABLE recipes (name)")
    content = file.read_bytes()
    with pytest.raises(StoreError, match="another program"):
        open_store(tmp_path)
    assert file.read_bytes() == content


def test_a_store_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    connection, _ = open_store(tmp_path)
    connection.execute("PRAGMA user_version=99")
    connection.close()
    with pytest.raises(StoreError, match="version 99"):
        open_store(tmp_path)


def test_a_store_is_read_without_a_collector(tmp_path: Path, store: Store) -> None:
    store.send(shipment("j", whole_run("r-1", ["a"])))
    with closing(open_readonly(tmp_path)) as beside:
        assert queries.runs(beside, RunFilter(), START).total == 1
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            beside.execute("DELETE FROM runs")
    store.restart()
    with closing(open_readonly(tmp_path)) as after:
        assert queries.rounds(after, "r-1").total == 2


def test_no_store_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"there is no store at .*collector\.sqlite"):
        open_readonly(tmp_path)


def test_a_damaged_store_cannot_be_read_and_says_so(tmp_path: Path) -> None:
    no_database(tmp_path / FILE_NAME)
    with pytest.raises(StoreError, match="cannot read the store"):
        open_readonly(tmp_path)


def test_a_large_store_is_checked_once_a_page_was_found_damaged(tmp_path: Path) -> None:
    torn_page(tmp_path / FILE_NAME)
    connection, kept = open_store(tmp_path, checked_bytes=0)
    assert kept is None
    with pytest.raises(sqlite3.DatabaseError) as damage:
        connection.execute("SELECT * FROM rounds, events, span_batches").fetchall()
    connection.close()
    note_damage(tmp_path / FILE_NAME, damage.value)
    connection, kept = open_store(tmp_path, checked_bytes=0)
    assert kept is not None
    assert connection.execute("SELECT count(*) FROM rounds").fetchone() == (0,)
    connection.close()
    connection, kept = open_store(tmp_path, checked_bytes=0)
    connection.close()
    assert kept is None


def test_an_error_that_is_no_damage_raises_no_suspicion(tmp_path: Path) -> None:
    note_damage(tmp_path / FILE_NAME, sqlite3.OperationalError("database is locked"))
    assert not list(tmp_path.iterdir())
