"""Sealing, merging and letting go: what is due when, and that nothing is lost by a failure."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from fedsight.collector.store import merging, orphans
from fedsight.collector.store.archive import Archive
from fedsight.collector.store.leases import Leases
from fedsight.collector.store.manifest import STEPS, Segment
from fedsight.collector.store.retention import DAY, Retention, Upkeeping, expired
from fedsight.errors import SettingsError
from fedsight.signals import Sample
from tests.collector.store.contract_suite.suite import SECOND, START, at, named, rows
from tests.collector.store.kept_store import KeptStore

SMALL = Upkeeping(seal_samples=10, seal_seconds=3600, look_seconds=0.01)


def kept_with(folder: Path, how: Upkeeping) -> Iterator[KeptStore]:
    opened = KeptStore(folder, how)
    yield opened
    opened.close()


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[KeptStore]:
    yield from kept_with(tmp_path, SMALL)


def segment(number: int, n: int = 1_000_000, last: int = 0, step: int = 0) -> Segment:
    """A file as the manifest has it."""
    times = (last - 10, last)
    return Segment(
        number, f"f{number}", step, None, 0, number, number, n, n, "", *times, 1, 9, last
    )


def told(kept: KeptStore) -> list[tuple[float, float]]:
    found = kept.ask(lambda s: list(s.points(named("load"), 10**6)))
    return [row for each in found for row in rows(each)]


def run_sql(query: str, store: sqlite3.Connection) -> None:
    store.execute(query)


def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_samples_are_sealed_once_they_are_enough(kept: KeptStore):
    kept.send([at(second, 1.0) for second in range(9)])
    assert not kept.upkeep.step()
    kept.send([at(9, 1.0)])
    assert kept.upkeep.step()
    assert [s.n for s in kept.segments()] == [10]
    assert told(kept) == [(second, 1.0) for second in range(10)]


def test_samples_are_sealed_once_they_are_old(tmp_path: Path):
    for kept in kept_with(tmp_path, Upkeeping(seal_samples=10, seal_seconds=0.0)):
        kept.send([at(0, 1.0)])
        assert kept.upkeep.step()
        assert [s.n for s in kept.segments()] == [1]
        assert not kept.upkeep.step()


def test_the_thread_seals_and_merges_by_itself(kept: KeptStore):
    kept.upkeep.start()
    for second in range(0, 400, 10):
        kept.send([at(second + more, float(second + more)) for more in range(10)])
    until(lambda: kept.upkeep.done.sealed_samples == 400 and kept.upkeep.done.merges > 0)
    until(lambda: len(kept.segments()) <= 2 * merging.FAN_IN)
    assert told(kept) == [(second, float(second)) for second in range(400)]
    assert kept.upkeep.wrong is None


def test_files_of_a_size_are_merged_and_each_sample_a_few_times_only():
    files = [segment(number) for number in range(3)]
    assert merging.due(files) == []
    files.append(segment(3))
    assert merging.due(files) == files
    merged = [segment(0, 4_000_000), *(segment(number) for number in (4, 5, 6))]
    assert merging.due(merged) == []
    assert merging.due([segment(0, merging.LARGEST), *files]) == files


def test_only_neighbours_in_arrival_are_merged():
    files = [segment(1), segment(2), segment(3, merging.LARGEST), segment(4), segment(5)]
    assert merging.due(files) == []
    assert merging.all_due(files) == files[:2]


def test_files_far_apart_in_time_are_not_merged_where_samples_expire():
    files = [segment(number, last=number * DAY) for number in range(8)]
    assert merging.due(files, widest=DAY) == []
    assert merging.due(files, widest=3 * DAY) == files[:4]


def test_old_samples_go_and_their_rollups_stay(tmp_path: Path):
    now = time.time_ns()
    how = Upkeeping(kept=Retention(raw_days=1, rollup_days=10))
    for kept in kept_with(tmp_path, how):
        for age in (3 * DAY, 0):
            begin = (now - age) // (60 * SECOND) * 60 * SECOND - 600 * SECOND
            times = range(begin, begin + 300 * SECOND, SECOND // 2)
            kept.send([Sample(t, "load", 1.0, None, {"node": "a"}) for t in times])
            kept.upkeep.seal()
        old = kept.segments()[0]
        aged = old.created - 3 * DAY
        query = f"UPDATE segments SET created = {aged} WHERE id = {old.id}"
        kept.store.ingest.change(partial(run_sql, query)).result(10)
        assert kept.upkeep.let_go(kept.segments())
        alone = [s.step for s in kept.segments() if s.step and s.source is None]
        assert sorted(alone) == [*STEPS]
        assert [s.n for s in kept.segments() if not s.step] == [600]
        (event,) = kept.store.rows("SELECT kind, details FROM events")
        assert event[0] == "SAMPLES_EXPIRED"
        assert '"samples":600' in event[1].replace(" ", "")
        (minutes,) = kept.ask(lambda s: s.windows(named("load"), 60 * SECOND, "count"))
        assert minutes.value.tolist() == [120.0] * 10
        assert len(kept.ask(lambda s: list(s.points(named("load"), 10**6)))[0].time) == 600
        kept.archive.leases.sweep(at_once=True)
        assert not (kept.folder / old.file).exists()
        assert not kept.upkeep.let_go(kept.segments())


def test_too_much_lets_the_oldest_go_first():
    files = [segment(number, n=10**6, last=number * DAY) for number in range(1, 6)]
    rolled = segment(9, n=10**6, last=1, step=60)
    gone = expired([*files, rolled], Retention(max_mb=3), 10 * DAY)
    assert gone is not None
    assert (gone.raw, gone.rolled, gone.why) == (files[:3], [], "size")
    assert expired(files, Retention(max_mb=5), 10 * DAY) is None
    assert expired(files, Retention(), 10**9 * DAY) is None


def test_samples_from_the_future_age_from_when_they_were_sealed():
    late = segment(1, last=5 * DAY)._replace(last_time=5000 * DAY)
    gone = expired([late], Retention(raw_days=2), 8 * DAY)
    assert gone is not None
    assert gone.raw == [late]


@pytest.mark.parametrize(
    "wrong",
    [{"raw_days": 0}, {"max_mb": -1}, {"raw_days": 5, "rollup_days": 4}, {"rollup_days": 9}],
)
def test_a_retention_that_cannot_be_is_refused(wrong: dict[str, float]):
    with pytest.raises(SettingsError):
        Retention(**wrong)


def test_a_disk_that_takes_nothing_loses_nothing_and_is_tried_again(kept: KeptStore):
    kept.send([at(second, 1.0) for second in range(10)])
    kept.folder.write_text("a file where the folder should be")
    kept.upkeep._thread.start()
    until(lambda: kept.upkeep.error is not None)
    assert told(kept) == [(second, 1.0) for second in range(10)]
    kept.folder.unlink()
    until(lambda: kept.upkeep.error is None)
    until(lambda: len(kept.segments()) == 1)
    assert told(kept) == [(second, 1.0) for second in range(10)]
    assert kept.upkeep.done.failures >= 1


def test_a_transaction_that_fails_leaves_no_file(kept: KeptStore):
    kept.send([at(second, 1.0) for second in range(10)])
    kept.store.ingest.change(
        lambda store: store.execute(
            "CREATE TEMP TRIGGER no BEFORE INSERT ON segments BEGIN SELECT RAISE(ABORT, 'no'); END"
        )
    ).result(10)
    with pytest.raises(Exception, match="no"):
        kept.upkeep.seal()
    assert not list(kept.folder.glob("raw-*"))
    assert told(kept) == [(second, 1.0) for second in range(10)]
    kept.store.ingest.change(lambda store: store.execute("DROP TRIGGER no")).result(10)
    kept.upkeep.seal()
    assert told(kept) == [(second, 1.0) for second in range(10)]


def test_a_file_stays_until_the_last_reader_that_may_use_it(tmp_path: Path):
    clock = [0.0]
    leases = Leases(lambda: clock[0], grace=30)
    old = tmp_path / "old"
    old.touch()
    with leases.held():
        leases.retire([old])
        clock[0] = 31
        assert leases.sweep() == 0
        with leases.held():  # began after the file's row went
            pass
        assert leases.sweep() == 0
    assert leases.waiting == 1
    with leases.held():
        assert leases.sweep() == 1
    assert not old.exists()


def test_readers_of_other_processes_have_a_while(tmp_path: Path):
    clock = [0.0]
    leases = Leases(lambda: clock[0], grace=30)
    old = tmp_path / "old"
    old.touch()
    leases.retire([old])
    clock[0] = 29
    assert leases.sweep() == 0
    assert leases.sweep(at_once=True) == 1


def test_what_a_crash_left_goes_and_what_is_foreign_is_kept(kept: KeptStore):
    kept.send([at(second, 1.0) for second in range(10)])
    kept.upkeep.seal()
    mine = kept.segments()[0].file
    left = [f"{mine}.tmp", "raw-1-1-00000000.parquet", "1m-1-1-00000001.parquet"]
    foreign = "raw-5000-6000-00000000.parquet"
    for name in (*left, foreign, "README"):
        (kept.folder / name).touch()
    dead, alive = kept.folder / "pinned-999999999-a", kept.folder / f"pinned-{os.getpid()}-b"
    dead.mkdir()
    alive.mkdir()
    gone, moved = kept.store.readers.ask_now(lambda store: orphans.clean(kept.folder, store))
    assert (gone, moved) == (3, [foreign])
    there = {file.name for file in kept.folder.iterdir()}
    assert there == {mine, "README", orphans.UNKNOWN, "series.parquet", alive.name}


def test_a_damaged_database_takes_its_samples_along(kept: KeptStore):
    kept.send([at(second, 1.0) for second in range(10)])
    kept.upkeep.seal()
    kept.store.close()
    (kept.store.folder / "collector.sqlite").write_bytes(b"no database" * 100)
    kept.store._open()
    assert kept.store.kept is not None
    aside = kept.store.folder / f"{kept.store.kept}-samples"
    assert len(list(aside.glob("raw-*"))) == 1
    assert not kept.folder.exists()


def test_any_tool_can_read_what_is_sealed(kept: KeptStore):
    import duckdb

    kept.send([at(second, float(second), 3, node="a") for second in range(10)])
    kept.upkeep.seal()
    found = duckdb.sql(
        "SELECT name, labels->>'node', time, round, value"
        f" FROM '{kept.folder}/raw-*.parquet' JOIN '{kept.folder}/series.parquet' USING (series)"
        " ORDER BY time"
    ).fetchall()
    assert found[1] == ("load", "a", START + SECOND, 3, 1.0)
    assert isinstance(kept.archive, Archive)
