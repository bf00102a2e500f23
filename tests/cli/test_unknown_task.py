"""A task that there is not is refused before anything starts or is printed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.command import fedsight

BEGINNING = [("run",), ("run", "--engine", "deployment"), ("serve", "federation"), ("up",)]


@pytest.mark.parametrize("command", BEGINNING)
def test_nothing_begins_for_a_task_that_there_is_not(
    tmp_path: Path, command: tuple[str, ...]
) -> None:
    data = tmp_path / "data"
    done = fedsight(data, *command, "--task", "mnits", "--port", "0")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("fedsight: no such task 'mnits'; did you mean 'mnist'?")
    assert done.stderr.count("\n") == 1
    assert not (data / "journals").exists()
    assert not (data / "token").exists()


@pytest.mark.slow
@pytest.mark.parametrize("command", BEGINNING)
def test_nothing_begins_for_a_module_that_there_is_not(
    tmp_path: Path, command: tuple[str, ...]
) -> None:
    done = fedsight(tmp_path / "data", *command, "--task", "nowhere.tasks:TASK", "--port", "0")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "fedsight: task 'nowhere.tasks:TASK': no module named 'nowhere'\n"
