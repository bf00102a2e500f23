"""The command line's manners: exit codes, one sentence an error, help that helps."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.command import environment, fedsight


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


def test_version_is_told(data: Path) -> None:
    done = fedsight(data, "--version")
    assert (done.returncode, done.stdout, done.stderr) == (0, "fedsight 0.1.0\n", "")


@pytest.mark.parametrize(
    "arguments", [["--help"], ["run", "-h"], ["export", "--help"], ["serve", "--help"]]
)
def test_help_is_on_stdout_and_goes_well(data: Path, arguments: list[str]) -> None:
    done = fedsight(data, *arguments)
    assert (done.returncode, done.stderr) == (0, "")
    assert "Usage: fedsight" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["runn"], "No such command 'runn'. (Did you mean one of: 'run', 'runs'?)"),
        (["run", "--round", "3"], "No such option '--round'. (Did you mean one of: "),
        (["run", "--nodes", "many"], "Invalid value for '--nodes': 'many' is not a valid integer."),
        (["run", "--nodes", "0"], "nodes must be a whole number from 1 to 100000, got 0"),
        (["run", "--nodes", "-3"], "nodes must be a whole number from 1 to 100000, got -3"),
        (["run", "--rounds", "0"], "rounds must be a whole number from 1 to 1000000, got 0"),
        (["run", "--fraction", "0"], "fraction must be a number above 0 and at most 1, got 0.0"),
        (["run", "--fraction", "nan"], "fraction must be a number above 0 and at most 1, got nan"),
        (["run", "--port", "70000"], "port must be a port number from 0 (any free one) to 65535"),
        (["run", "--config", "absent.toml"], "cannot read the configuration absent.toml"),
        (["export", "r", "--all"], "name a run, or say --all (and not both)"),
    ],
)
def test_a_usage_error_is_one_sentence_and_code_2(
    data: Path, arguments: list[str], sentence: str
) -> None:
    done = fedsight(data, *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"fedsight: {sentence}")
    assert done.stderr.count("\n") == 1
    assert not data.exists()


def test_a_failure_is_one_sentence_and_code_1(data: Path) -> None:
    done = fedsight(data, "runs", "list")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"fedsight: there is no store at {data}")
    assert done.stderr.count("\n") == 1


def test_the_traceback_is_there_for_who_asks(data: Path) -> None:
    done = fedsight(data, "runs", "list", FEDSIGHT_DEBUG="1")
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert "StoreError" in done.stderr


def test_a_wrong_setting_is_refused_before_anything_starts(data: Path) -> None:
    done = fedsight(data, "run", COLLECTOR_PORT="http")
    assert done.returncode == 2
    assert done.stderr.startswith("fedsight: COLLECTOR_PORT must be a port number")
    assert not data.exists()


@pytest.mark.parametrize("command", [["run", "--exit"], ["serve", "collector"]])
def test_a_data_directory_that_cannot_be_written_is_named(
    tmp_path: Path, command: list[str]
) -> None:
    (tmp_path / "file").write_text("")
    done = fedsight(tmp_path / "file" / "data", *command, "--port", "0")
    assert (done.returncode, done.stdout) == (1, "")
    assert f"cannot write to the data directory {tmp_path / 'file' / 'data'}" in done.stderr
    assert done.stderr.count("\n") == 1


def test_the_command_line_imports_nothing_heavy_for_a_word_of_help(data: Path) -> None:
    code = (
        "import sys; from fedsight.cli.app import app; app(['--version'], standalone_mode=False);"
        "print([m for m in ('torch', 'flwr', 'fastapi', 'numpy') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment(data), capture_output=True, text=True
    )
    assert done.stdout.splitlines()[-1] == "[]", done.stderr
