"""What an export holds, in each format, to the last cell."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from fedsight.collector.export.job import write_archive, write_tables
from fedsight.collector.export.request import ExportRequest, Format, TableName, scope_of
from fedsight.collector.export.rows import sql_columns
from fedsight.collector.export.source import Unwatched
from fedsight.door.times import rfc3339
from fedsight.signals import Batch, Event, Sample, batch
from tests.collector.export.reading import Read, archived, exported, table
from tests.collector.open_store import Store
from tests.collector.shipments import SECOND, START, whole_run

FORMATS: list[Format] = ["json", "csv", "parquet"]


@pytest.fixture
def read(store: Store) -> Read:
    source = Read(store)
    source.send("r-1", whole_run("r-1", ["a", "b"]))
    source.send("r-2", whole_run("r-2", ["a"], rounds=1))
    return source


def beside() -> Batch:
    """What names no run: as the first second of the runs passed, and long after."""
    late = START + 3600 * SECOND
    return batch(
        [
            Sample(START + 1, "network_latency_seconds", 0.25, None, {"link": "s1:s2"}),
            Sample(late, "network_latency_seconds", 0.5, None, {"link": "s1:s2"}),
            Sample(START + 2, "host_cpu_ratio", 0.125),
        ],
        [
            Event(START + 1, "network", "LINK_ADDED", details={"link": "s1:s2"}),
            Event(late, "network", "LINK_REMOVED"),
            Event(START + 3, "superlink", "NODE_REFUSED"),
        ],
    )


def lines(file: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in file.read_text().splitlines()]


@pytest.mark.parametrize("form", FORMATS)
def test_every_table_has_its_rows_in_every_format(read: Read, form: Format) -> None:
    files = exported(read, ExportRequest(format=form))
    held = {name: table(file, "SELECT count(*) FROM 'FILE'")[0][0] for name, file in files.items()}
    # 10 figures a round and 3 a client; 2 rounds of 2 nodes, then 1 of 1.
    assert held["samples"] == 3 * 10 + 5 * 3
    assert held["events"] == 2 * 2 + 3 * 2
    assert (held["runs"], held["rounds"], held["clients"]) == (2, 3, 5)
    assert held["spans"] == 3 + 5


def test_samples_as_lines_have_nanoseconds_and_null_for_what_they_do_not_have(store: Store) -> None:
    read = Read(store)
    labels = {"run": "r-1", "node": "a", "gpu": "0"}
    read.send("x", [batch([Sample(START + 1, "fl_x", 0.1, 3, labels), Sample(7, "up", 1.0)])])
    files = exported(read, ExportRequest(tables=["samples"]))
    assert lines(files["samples"]) == [
        {
            "time": "2026-11-22T09:52:00.000000001Z",
            "name": "fl_x",
            "run": "r-1",
            "node": "a",
            "round": 3,
            "value": 0.1,
            "labels": {"gpu": "0"},
        },
        {
            "time": "1970-01-01T00:00:00.000000007Z",
            "name": "up",
            "run": None,
            "node": None,
            "round": None,
            "value": 1.0,
            "labels": None,
        },
    ]


def test_parquet_has_times_numbers_and_nulls(read: Read) -> None:
    files = exported(read, ExportRequest("r-1", format="parquet"))
    kinds = {row[0]: row[1] for row in table(files["samples"], "DESCRIBE SELECT * FROM 'FILE'")}
    assert kinds == {
        "time": "TIMESTAMP_NS",
        "name": "VARCHAR",
        "run": "VARCHAR",
        "node": "VARCHAR",
        "round": "INTEGER",
        "value": "DOUBLE",
        "labels": "VARCHAR",
    }
    query = "SELECT epoch_ns(started), round, accuracy, participants FROM 'FILE' ORDER BY round"
    assert table(files["rounds"], query) == [(START, 1, 0.25, 2), (START + SECOND, 2, 0.5, 2)]
    query = "SELECT DISTINCT upload_seconds, status FROM 'FILE'"
    assert table(files["clients"], query) == [(None, "trained")]


def test_windows_hold_sum_count_min_max_last_and_mean(store: Store) -> None:
    read = Read(store)
    minute = START // (60 * SECOND) * 60 * SECOND
    values = [(0, 1.0), (10, 4.0), (59, 2.5), (60, 7.0)]
    read.send("x", [batch([Sample(minute + s * SECOND, "fl_x", v) for s, v in values])])
    files = exported(read, ExportRequest(aggregation="1m", tables=["samples"]))
    first, second = lines(files["samples"])
    assert first == {
        "time": rfc3339(minute)[:-1] + "000Z",
        "name": "fl_x",
        "run": None,
        "node": None,
        "count": 3,
        "sum": 7.5,
        "min": 1.0,
        "max": 4.0,
        "last": 2.5,
        "mean": 2.5,
        "labels": None,
    }
    assert (second["count"], second["mean"]) == (1, 7.0)


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("grain", ["raw", "1m"])
def test_slices_make_one_table_without_loss(read: Read, form: Format, grain: str) -> None:
    request = msgspec.convert(
        {"format": form, "aggregation": grain, "tables": ["samples"]}, ExportRequest
    )
    whole = exported(read, request)["samples"]
    query = "SELECT name, run, node, time, COLUMNS('value|sum|last') FROM 'FILE' ORDER BY ALL"
    expected = table(whole, query)
    whole.unlink()
    whole.parent.rmdir()
    assert table(exported(read, request, most=4)["samples"], query) == expected


def test_an_export_of_a_run_holds_that_run_and_what_happened_beside_it(read: Read) -> None:
    read.send("net", [beside()])
    files = exported(read, ExportRequest("r-2"))
    samples = lines(files["samples"])
    assert {row["run"] for row in samples if row["name"].startswith("fl_")} == {"r-2"}  # type: ignore[attr-defined]
    others = [(row["name"], row["value"]) for row in samples if row["run"] is None]
    assert others == [("network_latency_seconds", 0.25), ("host_cpu_ratio", 0.125)]
    kinds = [row["kind"] for row in lines(files["events"])]
    assert kinds[-2:] == ["LINK_ADDED", "NODE_REFUSED"]
    assert [row["id"] for row in lines(files["runs"])] == ["r-2"]
    assert {row["run"] for row in lines(files["clients"])} == {"r-2"}


def test_components_choose_metrics_and_events(read: Read) -> None:
    read.send("net", [beside()])
    files = exported(read, ExportRequest(components=["network"]))
    assert set(files) == {"samples", "events"}
    assert {row["name"] for row in lines(files["samples"])} == {"network_latency_seconds"}
    assert [row["kind"] for row in lines(files["events"])] == ["LINK_ADDED", "LINK_REMOVED"]


def test_a_range_of_time_holds_its_start_and_not_its_end(read: Read) -> None:
    request = ExportRequest(
        "r-1", start_time=rfc3339(START + SECOND), end_time=rfc3339(START + 2 * SECOND)
    )
    files = exported(read, request)
    assert [row["round"] for row in lines(files["rounds"])] == [2]
    assert {row["round"] for row in lines(files["clients"])} == {2}
    assert {row["round"] for row in lines(files["samples"])} == {1}
    kinds = [row["kind"] for row in lines(files["events"])]
    assert kinds == ["ROUND_COMPLETED", "ROUND_STARTED"]


@pytest.mark.parametrize("form", FORMATS)
def test_an_export_of_nothing_has_headers_and_says_so(store: Store, form: Format) -> None:
    with archived(Read(store), ExportRequest(format=form)) as archive:
        note = json.loads(archive.read("manifest.json"))
        assert (
            note["note"] == "nothing in the store matches what was asked for: every table is empty"
        )
        assert {told["rows"] for told in note["tables"].values()} == {0}
        for name in archive.namelist()[1:]:
            archive.extract(name, store.folder)
    tables: tuple[TableName, ...] = ("events", "runs", "rounds", "clients", "spans")
    for name in tables:
        file = store.folder / note["tables"][name]["file"]
        if form == "json":
            assert file.read_bytes() == b""
        elif form == "csv":
            assert file.read_text() == ",".join(sql_columns(name)) + "\n"
        else:
            described = table(file, "DESCRIBE SELECT * FROM 'FILE'")
            assert [row[0] for row in described] == list(sql_columns(name))


def test_the_archive_says_what_was_asked_for(read: Read) -> None:
    asked = ExportRequest("r-1", ["fl"], format="csv", aggregation="5m", tables=["rounds"])
    with archived(read, asked) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == ["manifest.json", "rounds.csv"]
        note = json.loads(archive.read("manifest.json"))
        rows = archive.read("rounds.csv").decode().splitlines()
    assert (note["experiment_id"], note["format"], note["aggregation"]) == ("r-1", "csv", "5m")
    assert note["tables"]["rounds"]["rows"] == len(rows) - 1 == 2
    assert note["tables"]["rounds"]["columns"] == rows[0].split(",")
    assert note["note"] is None


class Impatient(Unwatched):
    """Ends an export at its first step."""

    def step(self, share: float, written: int) -> None:
        raise TimeoutError(f"{share} {written}")


def test_whoever_watches_can_end_it(read: Read, tmp_path: Path) -> None:
    folder = tmp_path / "stopped"
    folder.mkdir()
    with pytest.raises(TimeoutError):
        write_tables(read, scope_of(ExportRequest()), folder, Impatient())


class AtTheEnd(Unwatched):
    """Ends an export in its packing, when more than so many bytes are written."""

    def __init__(self, most: int) -> None:
        self.most, self.shares = most, list[float]()

    def step(self, share: float, written: int) -> None:
        self.shares.append(share)
        if share == 1.0 and written > self.most and len(self.shares) > 2:
            raise TimeoutError(str(written))


def test_packing_can_be_ended_and_is_counted(read: Read, tmp_path: Path) -> None:
    asked = scope_of(ExportRequest("r-1", tables=["events"]))
    folder, target = tmp_path / "packing", tmp_path / "all.zip"
    folder.mkdir()
    watch = AtTheEnd(most=10)
    with pytest.raises(TimeoutError):
        write_archive(read, asked, folder, target, watch)
    assert (list(folder.iterdir()), target.exists()) == ([], False)
    write_archive(read, asked, folder, target, AtTheEnd(most=10**9))
    assert target.exists()


def test_no_cell_of_csv_is_a_formula(store: Store) -> None:
    formula = '=HYPERLINK("http://e.vil";"x")'
    read = Read(store)
    samples = [Sample(START, "up", -1.5, labels={"node": formula, "zone": "@x"})]
    read.send("j", [batch(samples, events=[Event(START, "+cmd", "ODD", node="-2.5")])])
    tables: list[TableName] = ["samples", "events"]
    files = exported(read, ExportRequest(format="csv", tables=tables))
    with files["samples"].open() as text:
        (sample,) = csv.DictReader(text)
    with files["events"].open() as text:
        (event,) = csv.DictReader(text)
    assert (sample["node"], sample["value"]) == ("'" + formula, "-1.5")
    assert json.loads(sample["labels"]) == {"zone": "@x"}
    assert (event["source"], event["node"]) == ("'+cmd", "-2.5")


def test_details_and_lists_stay_json(read: Read) -> None:
    files = exported(read, ExportRequest("r-1", format="csv", tables=["events", "runs"]))
    with files["runs"].open() as text:
        (run,) = csv.DictReader(text)
    assert json.loads(run["nodes"]) == ["a", "b"]
    assert (json.loads(run["config"]), run["reason"]) == ({"lr": 1}, "")
    with files["events"].open() as text:
        first = next(csv.DictReader(text))
    assert json.loads(first["details"])["task"] == "digits"


class Held(Unwatched):
    """Keeps what breaks off a long step."""

    interrupt: Callable[[], None]

    def begins(self, interrupt: Callable[[], None]) -> None:
        self.interrupt = interrupt


def test_one_can_be_broken_off_while_it_is_packed(read: Read, tmp_path: Path) -> None:
    watch = Held()
    write_tables(read, scope_of(ExportRequest()), tmp_path, watch)
    watch.interrupt()  # its engine is closed by now
