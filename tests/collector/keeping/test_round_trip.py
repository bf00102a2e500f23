"""What is exported and imported again is the same, down to the last bit."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import pytest

from fedsight.collector.keeping.checking import verify
from fedsight.collector.keeping.exporting import INDEX, export
from fedsight.collector.keeping.importing import import_
from fedsight.collector.keeping.opened import changing, reading
from fedsight.collector.keeping.stats import stats
from fedsight.collector.store import manifest
from fedsight.collector.store.contract import SampleSearch, Selection
from fedsight.collector.store.retention import Upkeeping
from fedsight.collector.store.storefile import open_readonly
from fedsight.collector.store.upkeep import Upkeep
from fedsight.errors import StoreError
from fedsight.signals import Sample
from tests.collector.shipments import shipment, whole_run
from tests.collector.store.contract_suite.suite import SECOND, START
from tests.collector.store.kept_store import KeptStore

EVERYTHING = Selection((), 0, 2**62)


def dense(node: str) -> list[Sample]:
    """So many samples of one series that roll-ups are worth it."""
    times = range(START, START + 600 * SECOND, SECOND // 4)
    labels = {"node": node}
    return [Sample(time, "load", (time % 997) / 7, None, labels) for time in times]


@pytest.fixture
def filled(tmp_path: Path) -> Path:
    """Two runs, a monitor's samples, roll-ups without samples; sealed, merged and hot."""
    data = tmp_path / "data"
    data.mkdir()
    kept = KeptStore(data)
    kept.send(dense("old"))
    kept.upkeep.compact()
    (raw,) = manifest.raw(kept.segments())
    kept.store.ingest.change(lambda store: manifest.release(store, [raw.id])).result(10)
    kept.store.send(shipment("j-1", whole_run("r-1", ["a", "b"], 3)))
    kept.send(dense("new"))
    kept.upkeep.seal()
    kept.store.send(shipment("j-2", whole_run("r-2", ["ü", "b"], 2)))
    kept.close()
    return data


def answers(samples: SampleSearch) -> Any:
    points = [
        (msgspec.to_builtins(p.series), p.time.tolist(), p.value.tolist(), p.round.tolist())
        for p in samples.points(EVERYTHING, 10**9)
        if p.round is not None
    ]
    minutes = [
        (msgspec.to_builtins(p.series), p.time.tolist(), p.value.tolist())
        for p in samples.windows(EVERYTHING, 60 * SECOND, "max")
    ]
    return points, minutes


def contents(data: Path) -> tuple[Any, list[Any]]:
    """All samples, and the rows of runs, rounds, events, spans and journals."""
    tables = ("runs", "rounds", "events", "span_batches", "journals")
    with reading(data) as source:
        rows = [source.store.execute(f"SELECT * FROM {t} ORDER BY 1, 2").fetchall() for t in tables]
        return answers(source.archive.search(source.store)), rows


def moved(source: Path, out: Path, into: Path, run: str | None = None) -> None:
    with reading(source) as opened:
        export(opened, out, run)
    with changing(into) as target:
        import_(target, out)


def test_a_whole_store(filled: Path, tmp_path: Path):
    moved(filled, tmp_path / "out", tmp_path / "again")
    assert contents(tmp_path / "again") == contents(filled)
    moved(tmp_path / "again", tmp_path / "out2", tmp_path / "third")
    assert contents(tmp_path / "third") == contents(filled)
    names = {file.name for file in (tmp_path / "out").iterdir()}
    assert names == {file.name for file in (tmp_path / "out2").iterdir()}
    for name in names - {INDEX}:
        first, second = ((tmp_path / out / name) for out in ("out", "out2"))
        if name.endswith(".parquet"):
            read = [duckdb.read_parquet(str(file)).fetchall() for file in (first, second)]
            assert read[0] == read[1], name
        else:
            assert first.read_bytes() == second.read_bytes(), name


def test_one_run_into_a_store_that_has_others(filled: Path, tmp_path: Path):
    other = tmp_path / "other"
    other.mkdir()
    kept = KeptStore(other)
    kept.store.send(shipment("j-9", whole_run("r-9", ["z"], 4)))
    kept.close()
    moved(filled, tmp_path / "out", other, "r-1")
    with closing(open_readonly(other)) as store:
        assert store.execute("SELECT id FROM runs ORDER BY id").fetchall() == [("r-1",), ("r-9",)]
    with reading(other) as theirs, reading(filled) as ours:
        found = [
            [
                (msgspec.to_builtins(p.series), p.time.tolist(), p.value.tolist())
                for p in source.archive.search(source.store).points(EVERYTHING, 10**9)
                if p.series.labels.get("run") == "r-1"
            ]
            for source in (theirs, ours)
        ]
        assert found[0] == found[1]
        assert found[0]
        assert [c.wrong for c in verify(theirs.store, theirs.archive.sealed.folder)] == [None] * 4
    with changing(other) as target, pytest.raises(StoreError, match="already has run r-1"):
        import_(target, tmp_path / "out")


def test_a_whole_store_does_not_go_into_one_that_is_not_empty(filled: Path, tmp_path: Path):
    with reading(filled) as opened:
        export(opened, tmp_path / "out", None)
    with changing(filled) as target, pytest.raises(StoreError, match="not empty"):
        import_(target, tmp_path / "out")


def test_an_export_of_nothing_is_nothing(tmp_path: Path):
    with changing(tmp_path / "empty"):
        pass
    moved(tmp_path / "empty", tmp_path / "out", tmp_path / "again")
    assert contents(tmp_path / "again") == (([], []), [[], [], [], [], []])


def spoilt(out: Path) -> Iterator[tuple[str, str]]:
    """Ways to break an export; each tells what the refusal names."""
    index = out / INDEX
    text = index.read_text()
    yield from []
    index.write_text(text.replace("samples-00001.parquet", "../../etc/passwd"))
    yield "path", "which no export has"
    index.write_text(text.replace('"rounds"', '"sqlite_master"'))
    yield "table", "which no store has"
    index.write_text(text.replace('"format": 1', '"format": 9'))
    yield "format", "format 9"
    index.write_text("{")
    yield "json", "store.json"
    index.write_text(text)
    rounds = out / "rounds.jsonl"
    lines = rounds.read_text()
    rounds.write_text(lines.replace('"accuracy"', '"accuracy) VALUES (1); --"', 1))
    yield "column", "unknown columns"
    rounds.write_text(lines + '{"run": 1')
    yield "torn", "rounds.jsonl"
    rounds.write_text(re.sub(r'"round": ?\d+', f'"round":{2**70}', lines, count=1))
    yield "number", "rounds.jsonl:1"
    rounds.write_text(re.sub(r'"run": ?"[^"]*"', '"run":{"base64":"a"}', lines, count=1))
    yield "base64", "rounds.jsonl:1"
    rounds.write_text(lines)
    spans = out / "spans.jsonl"
    lines = spans.read_text()
    spans.write_text(re.sub(r'"duration": ?\[\d+', f'"duration":[{2**70}', lines, count=1))
    yield "duration", "spans.jsonl:1: duration must lie"
    spans.write_text(lines)
    file = str(out / "samples-00001.parquet")
    rows = duckdb.read_parquet(file).fetchall()
    for kind, change in {
        "series": "series + 100000 AS series, time, round, value",
        "nan": "series, time, round, 'nan'::DOUBLE AS value",
        "time": "series, -time AS time, round, value",
    }.items():
        duckdb.sql(f"COPY (SELECT {change} FROM '{file}') TO '{file}.new' (FORMAT parquet)")
        Path(file).rename(f"{file}.old")
        Path(f"{file}.new").rename(file)
        yield kind, "out of range or of an unknown series"
        Path(f"{file}.old").rename(file)
    Path(file).write_bytes(b"PAR1 no more")
    yield "bytes", "cannot read the export"
    assert rows


def test_a_spoilt_export_changes_nothing(filled: Path, tmp_path: Path):
    with reading(filled) as opened:
        export(opened, tmp_path / "out", None)
    with changing(tmp_path / "empty"):
        pass
    for kind, told in spoilt(tmp_path / "out"):
        with (
            changing(tmp_path / "empty") as target,
            pytest.raises(StoreError) as refused,
        ):
            import_(target, tmp_path / "out")
        assert told in str(refused.value), kind
        assert contents(tmp_path / "empty") == (([], []), [[], [], [], [], []]), kind
        assert not list((tmp_path / "empty" / "samples").glob("*.parquet")), kind


def test_an_export_goes_into_an_empty_folder_only(filled: Path, tmp_path: Path):
    with reading(filled) as opened, pytest.raises(StoreError, match="not empty"):
        export(opened, tmp_path, None)


def test_an_export_without_a_sealed_file_is_refused(filled: Path, tmp_path: Path):
    with closing(open_readonly(filled)) as store:
        victim = filled / "samples" / manifest.raw(manifest.segments(store))[0].file
    victim.unlink()
    with reading(filled) as opened, pytest.raises(StoreError, match=victim.name):
        export(opened, tmp_path / "out", None)


def test_an_export_begins_before_a_merge_and_ends_after_it(filled: Path, tmp_path: Path):
    before = contents(filled)
    with reading(filled) as opened:
        with changing(filled) as target:
            upkeep = Upkeep(target.archive, target.ingest, target.file, Upkeeping())
            upkeep.compact()
            upkeep.close()
        export(opened, tmp_path / "out", None)
    with changing(tmp_path / "again") as target:
        import_(target, tmp_path / "out")
    assert contents(tmp_path / "again") == before
    assert not list((filled / "samples").glob("pinned-*"))


def test_stats_tell_what_is_there(filled: Path):
    with closing(open_readonly(filled)) as store:
        found = stats(store, filled)
    assert (found.runs, found.sealed.files, found.sealed.rows) == (
        2,
        1,
        found.samples - found.hot_samples,
    )
    assert found.hot_samples > 0
    assert {name: files.files for name, files in found.rollups.items()} == {
        "1m": 1,
        "5m": 1,
        "1h": 2,
    }
    assert found.rollups["1m"].rows == 10
