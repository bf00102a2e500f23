"""`fedsight runs`: what the store holds, as a person and as a program reads it."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest

from fedsight.cli.doctor import packages
from tests.cli.command import TINY, fedsight

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A data directory with one finished run, and the run's id."""
    data = tmp_path_factory.mktemp("home") / "data"
    done = fedsight(data, "run", *TINY, "--exit", "--json")
    assert done.returncode == 0, done.stderr
    return data, json.loads(done.stdout)["run_id"]


def test_list_shows_a_line_a_run(trained: tuple[Path, str]) -> None:
    data, run = trained
    done = fedsight(data, "runs", "list")
    title, line = done.stdout.splitlines()
    assert title.split() == ["run", "task", "state", "round", "accuracy", "seconds", "started"]
    assert line.split()[:4] == [run, "digits", "finished", "2/2"]
    page = json.loads(fedsight(data, "runs", "list", "--json").stdout)
    assert (page["total"], page["runs"][0]["id"]) == (1, run)


def test_show_takes_the_beginning_of_an_id(trained: tuple[Path, str]) -> None:
    data, run = trained
    done = fedsight(data, "runs", "show", run[:-2])
    assert done.returncode == 0, done.stderr
    told = dict(line.split(maxsplit=1) for line in done.stdout.splitlines())
    assert (told["run"], told["state"], told["round"]) == (run, "finished", "2 of 2")
    assert "nodes=3" in told["settings"]
    assert told["policy"] == "none told that it decided"
    assert told["privacy"].startswith("epsilon unknown")
    as_json = json.loads(fedsight(data, "runs", "show", run, "--json").stdout)
    assert as_json["policy"] == {"sets": [], "refused": {}}
    assert as_json["epsilon"] is None


def test_a_run_that_is_not_there_is_usage(trained: tuple[Path, str]) -> None:
    done = fedsight(trained[0], "runs", "show", "nothing")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "fedsight: no run 'nothing'; `fedsight runs list` shows the 1 there are\n"
    )


def test_doctor_finds_all_that_a_run_needs(trained: tuple[Path, str]) -> None:
    done = fedsight(trained[0], "doctor", COLLECTOR_PORT="0")
    assert (done.returncode, done.stderr) == (0, "")
    found = {line[8:30].strip(): line[:8].strip() for line in done.stdout.splitlines()}
    assert set(found) >= {"python", "flwr", "torch", "data directory", "disk space", "journals"}
    assert "missing" not in found.values()
    assert "runs: 1, " in done.stdout


def test_doctor_says_what_is_missing_and_how_to_mend_it(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = fedsight(tmp_path / "file" / "data", "doctor", COLLECTOR_PORT="0")
    assert done.returncode == 1
    assert "missing data directory" in " ".join(done.stdout.split())
    assert "choose another with FEDSIGHT_DATA" in done.stdout


def test_doctor_notes_extras_that_a_run_can_do_without(monkeypatch: pytest.MonkeyPatch) -> None:
    found = {each.what: each for each in packages()}
    assert {"grpcio", "opentelemetry-proto", "pandas", "protobuf", "dataclay"} <= set(found)
    assert {each.verdict for each in found.values()} == {"ok"}
    there = importlib.util.find_spec

    def find(module: str) -> object:
        if module.startswith("opentelemetry"):
            raise ModuleNotFoundError(module)
        return None if module in ("grpc", "dataclay", "flwr") else there(module)

    monkeypatch.setattr(importlib.util, "find_spec", find)
    found = {each.what: each for each in packages()}
    assert found["flwr"].verdict == "missing"
    for package, extra in (("grpcio", "telemetry"), ("opentelemetry-proto", "telemetry")):
        assert found[package].verdict == "note"
        assert "agent, bridge, windows" in found[package].found
        assert found[package].mend == f"pip install 'fedsight[{extra}]'"
    assert found["dataclay"].mend == "pip install 'fedsight[dataclay]'"


def test_an_empty_store_file_holds_nothing_yet(tmp_path: Path) -> None:
    (tmp_path / "collector.sqlite").touch()
    done = fedsight(tmp_path, "runs", "list")
    assert (done.returncode, "nothing was collected there yet" in done.stderr) == (1, True)


@pytest.mark.parametrize("content", [b"hello", bytes(range(256)) * 40])
def test_a_damaged_store_is_named_by_every_command_that_reads_it(
    tmp_path: Path, content: bytes
) -> None:
    (tmp_path / "collector.sqlite").write_bytes(content)
    listed, looked = fedsight(tmp_path, "runs", "list"), fedsight(tmp_path, "doctor")
    assert listed.returncode == 1
    for said in (listed.stderr, looked.stdout):
        assert "cannot read the store" in said
        assert "keeps it aside and begins a new one" in said
    assert (tmp_path / "collector.sqlite").read_bytes() == content


def test_doctor_names_a_journal_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "journals").mkdir()
    (tmp_path / "journals" / "r-00000000.sqlite").write_text("text")
    assert "r-00000000.sqlite is no database" in fedsight(tmp_path, "doctor").stdout
