"""`fedsight store`: as a person and as a program use it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.command import TINY, fedsight
from tests.collector.server import Server

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A data directory with one finished run, and the run's id."""
    data = tmp_path_factory.mktemp("home") / "data"
    done = fedsight(data, "run", *TINY, "--exit", "--json")
    assert done.returncode == 0, done.stderr
    return data, json.loads(done.stdout)["run_id"]


def test_stats_compact_verify_export_and_import(trained: tuple[Path, str], tmp_path: Path) -> None:
    data, run = trained
    before = json.loads(fedsight(data, "store", "stats", "--json").stdout)
    assert before["runs"] == 1
    assert before["hot_samples"] == before["samples"] > 0
    done = fedsight(data, "store", "compact")
    assert (done.returncode, done.stdout.split(";")[0]) == (
        0,
        f"sealed {before['samples']:,} samples",
    )
    after = json.loads(fedsight(data, "store", "stats", "--json").stdout)
    assert (after["hot_samples"], after["sealed"]["rows"]) == (0, before["samples"])
    told = fedsight(data, "store", "stats")
    assert f"{before['samples']:,}, of which 0 wait to be sealed" in told.stdout
    done = fedsight(data, "store", "verify")
    assert done.returncode == 0, done.stdout
    assert {line.split()[0] for line in done.stdout.splitlines()} == {"ok"}
    done = fedsight(data, "store", "export", str(tmp_path / "out"), "--run", run[:-2])
    assert done.returncode == 0, done.stderr
    other = tmp_path / "other"
    assert fedsight(other, "store", "import", str(tmp_path / "out")).returncode == 0
    shown = [fedsight(where, "runs", "show", run, "--json").stdout for where in (data, other)]
    assert json.loads(shown[0]) == json.loads(shown[1])
    again = fedsight(other, "store", "import", str(tmp_path / "out"))
    assert (again.returncode, again.stderr) == (1, f"fedsight: the store already has run {run}\n")


def test_a_damaged_file_is_exit_code_1(trained: tuple[Path, str]) -> None:
    data, _ = trained
    fedsight(data, "store", "compact")
    file = next((data / "samples").glob("raw-*.parquet"))
    whole = file.read_bytes()
    file.write_bytes(whole[:-1] + b"?")
    done = fedsight(data, "store", "verify", "--json")
    wrong = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 1
    assert [each["name"] for each in wrong if each["wrong"]] == [file.name]
    file.write_bytes(whole)


def test_beside_a_running_collector(trained: tuple[Path, str], tmp_path: Path) -> None:
    data, _ = trained
    with Server(data):
        assert fedsight(data, "store", "stats").returncode == 0
        assert fedsight(data, "store", "verify").returncode == 0
        assert fedsight(data, "store", "export", str(tmp_path / "out")).returncode == 0
        for refused in (("compact",), ("import", str(tmp_path / "out"))):
            done = fedsight(data, "store", *refused)
            assert done.returncode == 1
            assert "another collector" in done.stderr


def test_where_nothing_is(tmp_path: Path) -> None:
    done = fedsight(tmp_path / "data", "store", "stats")
    assert (done.returncode, done.stdout) == (1, "")
    assert "nothing was collected there yet" in done.stderr
    done = fedsight(tmp_path / "data", "store", "import", str(tmp_path))
    assert done.returncode == 1
    assert "is no whole export" in done.stderr
