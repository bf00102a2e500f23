"""`fedsight export` and `fedsight runs compare`, with and without a collector."""

from __future__ import annotations

import csv
import io
import json
import signal
import ssl
import zipfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from fedsight.cli.exporting import _told
from fedsight.errors import FedsightError
from tests.cli.command import fedsight, line_with, started
from tests.collector.open_store import Store
from tests.collector.shipments import ended, shipment, whole_run
from tests.collector.shipments import started as begun
from tests.federated.link.certificates import certificate

pytestmark = pytest.mark.slow


def filled(data: Path) -> None:
    data.mkdir(parents=True)
    store = Store(data)
    store.send(shipment("r-1", whole_run("r-1", ["a", "b"])))
    other = [begun("r-2", ["a"], config={"lr": 2}), ended("r-2", "stopped")]
    store.send(shipment("r-2", other))
    store.close()


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory without a collector."""
    folder = tmp_path_factory.mktemp("home") / "data"
    filled(folder)
    return folder


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """A data directory with a collector, and its port."""
    folder = tmp_path_factory.mktemp("home") / "data"
    filled(folder)
    with started(folder, "serve", "collector", "--port", "0") as serving:
        yield folder, line_with(serving, "listening on").rsplit(":", 1)[1].strip()
        serving.send_signal(signal.SIGTERM)
        serving.communicate(timeout=30)


def test_an_archive_holds_every_table(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "run.zip"
    done = fedsight(data, "export", "r-1", "-o", str(out), "--format", "csv", COLLECTOR_PORT="0")
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert done.stderr.startswith(f"{out}: ")
    with zipfile.ZipFile(out) as archive:
        told = json.loads(archive.read("manifest.json"))
        assert set(told["tables"]) == {"samples", "events", "runs", "rounds", "clients", "spans"}
        text = archive.read("clients.csv").decode()
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [(row["round"], row["node"]) for row in rows] == [
        ("1", "a"), ("1", "b"), ("2", "a"), ("2", "b"),
    ]  # fmt: skip
    assert rows[0]["upload_seconds"] == ""
    assert list(tmp_path.iterdir()) == [out]


def test_one_table_goes_to_standard_output_or_to_a_file_of_its_own(
    data: Path, tmp_path: Path
) -> None:
    alone = ("export", "r-1", "--table", "rounds")
    done = fedsight(data, *alone, COLLECTOR_PORT="0")
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(row["run"], row["round"], row["accuracy"]) for row in rows] == [
        ("r-1", 1, 0.25),
        ("r-1", 2, 0.5),
    ]
    out = tmp_path / "rounds.parquet"
    to_file = ("--format", "parquet", "-o", str(out))
    assert fedsight(data, *alone, *to_file, COLLECTOR_PORT="0").returncode == 0
    assert out.read_bytes()[:4] == b"PAR1"


def test_a_collector_that_is_up_makes_the_file(served: tuple[Path, str], tmp_path: Path) -> None:
    folder, port = served
    out = tmp_path / "all.zip"
    flags = ("--aggregation", "1m", "--component", "fl", "-o", str(out))
    done = fedsight(folder, "export", "--all", *flags, COLLECTOR_PORT=port)
    assert done.returncode == 0, done.stderr
    with zipfile.ZipFile(out) as archive:
        told = json.loads(archive.read("manifest.json"))
    assert (told["aggregation"], told["components"]) == ("1m", ["fl"])
    assert told["tables"]["runs"]["rows"] == 2
    # It fetched what it asked for, and leaves nothing behind.
    assert list((folder / "exports").iterdir()) == []


def test_a_collector_behind_tls_makes_the_file(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    filled(folder)
    tls = certificate(tmp_path)
    where = {"COLLECTOR_TLS_CERT": str(tls.certificate), "COLLECTOR_TLS_KEY": str(tls.key)}
    with started(folder, "serve", "collector", "--port", "0", **where) as serving:
        url = line_with(serving, "listening on").split()[-1]
        where["COLLECTOR_PORT"] = url.rsplit(":", 1)[1]
        done = fedsight(folder, "export", "r-1", "--table", "runs", **where)
        told = httpx.get(f"{url}/metrics", verify=where_to_trust(tls.certificate)).text
        serving.send_signal(signal.SIGTERM)
        serving.communicate(timeout=30)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["id"] == "r-1"
    assert "fedsight_collector_exports_made_total 1.0" in told


def where_to_trust(file: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=file)


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ((), "name a run, or say --all (and not both)"),
        (("r-1", "--all"), "name a run, or say --all (and not both)"),
        (("nothing",), "no run 'nothing'; `fedsight runs list` shows the 2 there are"),
        (("r-1", "--table", "rounds", "--format", "parquet"), "a Parquet file needs --output FILE"),
        (("r-1", "--from", "noon"), "--from: must be an RFC 3339 time"),
        (("--all", "--component", "policy", "--table", "spans"), "--table: spans: only"),
    ],
)
def test_what_makes_no_sense_is_usage(
    data: Path, flags: tuple[str, ...], said: str, tmp_path: Path
) -> None:
    done = fedsight(data, "export", *flags, COLLECTOR_PORT="0")
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr


def test_a_collector_says_the_same_of_a_wrong_time(served: tuple[Path, str]) -> None:
    folder, port = served
    done = fedsight(folder, "export", "r-1", "--from", "noon", COLLECTOR_PORT=port)
    assert done.returncode == 2
    assert "--from: " in done.stderr


def test_an_output_that_cannot_be_written_is_named(data: Path) -> None:
    done = fedsight(data, "export", "r-1", "-o", "absent/run.zip", COLLECTOR_PORT="0")
    assert done.returncode == 1
    assert done.stderr == "fedsight: cannot write to absent: No such file or directory\n"


def test_an_export_of_nothing_says_so(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "none.zip"
    flags = ("--to", "1999-01-01T00:00:00Z", "-o", str(out))
    done = fedsight(data, "export", "--all", *flags, COLLECTOR_PORT="0")
    assert done.returncode == 0
    assert "nothing in the store matches what was asked for" in done.stderr
    assert out.exists()


def test_samples_elsewhere_need_a_collector_and_what_is_here_does_not(
    data: Path, tmp_path: Path
) -> None:
    elsewhere = {"COLLECTOR_PORT": "0", "FEDSIGHT_STORE_BACKEND": "influxdb"}
    done = fedsight(data, "export", "r-1", "-o", str(tmp_path / "run.zip"), **elsewhere)
    assert done.returncode == 1
    assert "samples are kept in InfluxDB" in done.stderr
    done = fedsight(data, "export", "r-1", "--table", "rounds", **elsewhere)
    assert (done.returncode, len(done.stdout.splitlines())) == (0, 2)


def test_runs_are_put_side_by_side(data: Path) -> None:
    done = fedsight(data, "runs", "compare", "r-1", "r-2")
    lines = [line.split() for line in done.stdout.splitlines()]
    assert lines[0] == ["r-1", "r-2"]
    assert ["accuracy", "0.5000", "unknown"] in lines
    assert ["failures", "0", "0"] in lines
    assert ["lr", "1", "2"] in lines
    found = json.loads(fedsight(data, "runs", "compare", "r-1", "r-2", "--json").stdout)
    assert found["differences"] == [
        {"key": "lr", "values": [1, 2]},
        {"key": "nodes", "values": [2, 1]},
    ]


def test_one_run_cannot_be_compared(data: Path) -> None:
    done = fedsight(data, "runs", "compare", "r-1", "r-1")
    assert done.returncode == 2
    assert done.stderr == "fedsight: name two runs or more to compare\n"


def test_a_time_that_is_far_too_long_is_refused_in_one_sentence(data: Path) -> None:
    done = fedsight(data, "export", "--all", "--from", "2" * 100, COLLECTOR_PORT="0")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "cannot be exported" in done.stderr


@pytest.mark.parametrize("body", ["<html>", "[]", '{"error": "no"}'])
def test_an_answer_that_says_nothing_is_a_sentence(body: str) -> None:
    with pytest.raises(FedsightError, match="the collector answered 502 and not why"):
        _told(httpx.Response(502, text=body))
