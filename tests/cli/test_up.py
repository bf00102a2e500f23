"""`fedsight up`: a federation on this machine, as a person meets it."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.cli.command import fedsight, line_with, started

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


def test_a_federation_is_up_and_a_run_uses_it(tmp_path: Path) -> None:
    data = tmp_path / "data"
    ports = ("--superlink-port", "0", "--port", "0")
    with started(data, "up", "--nodes", "2", "--task", "digits", *ports) as up:
        line_with(up, "SuperLink at 127.0.0.1:")
        dashboard = line_with(up, "dashboard at").split()[-1]
        assert "nodes online: 2" in line_with(up, "nodes online")
        command = line_with(up, "begin a run:").removeprefix("begin a run: fedsight ").split()
        more = ("--rounds", "2", "--epochs", "1", "--port", dashboard.rsplit(":", 1)[1], "--exit")
        done = fedsight(data, *command, *more)
        up.send_signal(signal.SIGINT)
        _, said = up.communicate(timeout=30)
    assert done.returncode == 0, done.stderr
    assert "finished after 2 rounds" in done.stdout
    assert "2/2" in done.stdout
    assert up.returncode == 0, said


def test_it_begins_a_run_itself(tmp_path: Path) -> None:
    data = tmp_path / "data"
    arguments = ("--nodes", "2", "--task", "digits", "--run", "--superlink-port", "0")
    with started(data, "up", *arguments, "--port", "0", FEDSIGHT_RUN_ROUNDS="2") as up:
        assert "after 2 rounds" in line_with(up, "finished")
        line_with(up, "dashboard stays up")
        up.send_signal(signal.SIGINT)
        up.communicate(timeout=30)
    assert up.returncode == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--nodes", "0"), "nodes must be a whole number from 1 to 256, got 0"),
        (("--superlink-port", "70000"), "superlink-port must be a port number"),
        (("--task", "nonsense"), "no such task 'nonsense'"),
    ],
)
def test_wrong_options_are_told_before_anything_starts(
    arguments: tuple[str, ...], said: str, tmp_path: Path
) -> None:
    done = fedsight(tmp_path / "data", "up", "--port", "0", *arguments)
    assert done.returncode == 2
    assert said in done.stderr
