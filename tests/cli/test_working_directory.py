"""Files that lie in the working directory are not run in the place of packages."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.command import environment

SOURCE = Path(__file__).parents[2] / "src" / "fedsight"
#: What a command imports in its own process or in one that it begins.
BAIT = ("numpy", "flwr", "torch", "fedsight", "httpx", "msgspec", "cedarpy", "wandb", "tests")
TINY = ("--nodes", "2", "--rounds", "1", "--epochs", "1", "--port", "0", "--exit")
FEDSIGHT = str(Path(sys.executable).with_name("fedsight"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A working directory in which each file tells that it was run."""
    here = tmp_path / "downloaded"
    here.mkdir()
    for name in BAIT:
        ran = f"open({str(tmp_path / 'ran')!r}, 'a').write({name!r} + ' ')\n"
        (here / f"{name}.py").write_text(f"{ran}raise SystemExit('{name} was run')\n")
    (here / "mine.py").write_text("from fedsight.tasks.digits import DIGITS as TASK\n")
    return here


def ended(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        arguments,
        cwd=folder,
        env=environment(folder.parent / "data"),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )


def assert_nothing_ran(folder: Path) -> None:
    ran = folder.parent / "ran"
    assert not ran.exists(), ran.read_text()


@pytest.mark.slow
@pytest.mark.timeout(180)
@pytest.mark.parametrize("engine", ["simulation", "deployment"])
def test_a_run_runs_none_of_them_and_finds_a_task_of_one_s_own(folder: Path, engine: str) -> None:
    done = ended(folder, FEDSIGHT, "run", "--task", "mine:TASK", "--engine", engine, *TINY)
    assert_nothing_ran(folder)
    assert done.returncode == 0, done.stderr + done.stdout
    assert "finished after 1 rounds" in done.stdout


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_a_federation_and_its_collector_run_none_of_them(folder: Path) -> None:
    up = ("up", "--nodes", "2", "--task", "digits", "--superlink-port", "0", "--port", "0")
    process = subprocess.Popen(
        [FEDSIGHT, *up],
        cwd=folder,
        env=environment(folder.parent / "data", PYTHONUNBUFFERED="1"),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None
        seen = []
        for line in process.stdout:
            seen.append(line)
            if "up until Ctrl-C" in line:
                break
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    assert_nothing_ran(folder)
    assert process.returncode == 0, said
    assert "dashboard at http" in "".join(seen)


def test_python_m_fedsight_leaves_the_working_directory_first(folder: Path) -> None:
    (folder / "fedsight.py").unlink()  # which Python itself would run, before it could be asked
    done = ended(folder, sys.executable, "-m", "fedsight", "--version")
    assert_nothing_ran(folder)
    assert done.returncode == 0, done.stderr


def test_processes_of_ours_are_begun_in_one_way() -> None:
    begun = re.compile(r"sys\.executable,")
    found = [path for path in SOURCE.rglob("*.py") if begun.search(path.read_text("utf-8"))]
    assert [path.name for path in found] == ["starting.py"]
