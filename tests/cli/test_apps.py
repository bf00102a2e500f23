"""`fedsight run PATH` as a person meets it: a Flower app, a real collector, sentences."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from tests.cli.command import exported, fedsight, line_with, started
from tests.federated.anyapp.apps import CLIENT, OBSERVED, SERVER, written

EXAMPLE = Path(__file__).parents[2] / "examples" / "flower_app"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.mark.slow
def test_the_example_runs_and_the_collector_has_it(data: Path) -> None:
    flags = ["--nodes", "4", "--set", "num-server-rounds=3", "--port", "0", "--exit", "--json"]
    done = fedsight(data, "run", str(EXAMPLE), *flags)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert "largest weight" in done.stderr
    assert (told["task"], told["engine"], told["rounds"]) == ("averages", "simulation", 3)
    assert told["final"]["accuracy"] > 0.85
    shown = json.loads(fedsight(data, "runs", "show", told["run_id"], "--json").stdout)
    assert (shown["state"], shown["task"], shown["round"]) == ("finished", "averages", 3)
    assert shown["model_parameters"] == 11
    assert shown["payload_up_bytes"] == told["bytes_up"]
    rounds = exported(data, told["run_id"], "rounds")
    assert [one["round"] for one in rounds] == [1, 2, 3]
    assert len(exported(data, told["run_id"], "clients")) == 12


@pytest.mark.slow
def test_an_observed_apps_models_are_kept(data: Path, tmp_path: Path) -> None:
    app = written(tmp_path / "app", server=OBSERVED)
    done = fedsight(data, "run", str(app), "--nodes", "2", "--port", "0", "--exit")
    assert done.returncode == 0, done.stderr
    assert "fedsight models get" in done.stdout
    kept = json.loads(fedsight(data, "models", "list", "--json").stdout)
    assert sorted(one["round"] for one in kept["models"]) == [1, 2]


@pytest.mark.slow
def test_a_server_that_raises_ends_the_command_with_what_it_said(
    data: Path, tmp_path: Path
) -> None:
    server = SERVER.replace("    strategy = FedAvg()", "    raise KeyError('lost')")
    done = fedsight(
        data, "run", str(written(tmp_path / "app", server=server)), "--port", "0", "--exit"
    )
    assert done.returncode == 1
    assert "failed (KeyError: 'lost' (server.py:" in done.stdout


@pytest.mark.slow
def test_ctrl_c_ends_it_cleanly(data: Path, tmp_path: Path) -> None:
    client = "import time\n" + CLIENT.replace(
        "    arrays = message.content", "    time.sleep(0.2)\n    arrays = message.content"
    )
    app = written(tmp_path / "app", client=client)
    process = started(data, "run", str(app), "--set", "rounds=1000", "--nodes", "2", "--port", "0")
    line_with(process, "  2 ")
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "interrupted (stopped by Ctrl-C)" in out


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--rounds", "3"], "--rounds has no effect on a Flower app"),
        (["--task", "digits"], "--task has no effect on a Flower app"),
        (["--quorum", "2"], "--quorum has no effect on a Flower app"),
        (["--resume", "r-1"], "--resume has no effect on a Flower app"),
        (["--force"], "--force has no effect on a Flower app"),
        (["--set", "rouds=3"], "--set rouds: the app in"),
        (["--engine", "ray"], "engine must be one of simulation, deployment, got 'ray'"),
        (["--nodes", "0"], "nodes must be from 1 to 100000, got 0"),
        (
            ["--engine", "simulation", "--superlink", "127.0.0.1:1"],
            "--superlink names nodes elsewhere",
        ),
    ],
)
def test_a_flag_that_would_have_no_effect_is_refused_by_name(
    data: Path, tmp_path: Path, flags: list[str], said: str
) -> None:
    done = fedsight(data, "run", str(written(tmp_path / "app")), *flags)
    assert done.returncode == 2
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


def test_what_is_no_app_is_refused_before_anything_is_started(data: Path, tmp_path: Path) -> None:
    nothing = fedsight(data, "run", str(tmp_path))
    assert nothing.returncode == 2
    assert "is no Flower app: it has no pyproject.toml" in nothing.stderr
    broken = written(tmp_path / "app", server="import nothing_such")
    done = fedsight(data, "run", str(broken), "--port", "0")
    assert done.returncode == 2
    assert "cannot be imported: ModuleNotFoundError: No module named 'nothing_such'" in done.stderr
    assert done.stdout == ""
    alone = fedsight(data, "run", "--set", "a=1")
    assert alone.returncode == 2
    assert "it needs the app's PATH" in alone.stderr
