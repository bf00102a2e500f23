"""`fedsight run` as a person meets it: real processes, a real collector, real training."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import sqlite3
import time
from pathlib import Path

import httpx
import pytest

from fedsight.journal import Journal
from tests.cli.command import LONG, TINY, exported, fedsight, line_with, started

pytestmark = pytest.mark.slow

KILLS = int(os.environ.get("FEDSIGHT_KILLS", "2"))
URL = "http://127.0.0.1:"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


def url_in(line: str) -> str:
    """The address with its port, out of a line such as `dashboard at http://127.0.0.1:4711`."""
    return URL + line.split(URL)[1].split("/")[0].split()[0]


def url_port(line: str) -> str:
    """The port of the address at the line's end."""
    return line.strip().rsplit(":", 1)[1]


def shown(data: Path, run: str) -> dict[str, object]:
    """The run as the store has it."""
    done = fedsight(data, "runs", "show", run, "--json")
    assert done.returncode == 0, done.stderr
    found: dict[str, object] = json.loads(done.stdout)
    return found


def stored(data: Path, run: str) -> tuple[list[int], list[tuple[int, str]]]:
    """The rounds that the store has of a run, and its clients' rows."""
    clients = [(one["round"], one["node"]) for one in exported(data, run, "clients")]
    return [one["round"] for one in exported(data, run, "rounds")], clients


def test_json_is_one_object_and_alone_on_stdout(data: Path) -> None:
    done = fedsight(data, "run", *TINY, "--exit", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert list(told) == [
        *("run_id", "task", "engine", "nodes", "rounds"),
        *("final", "seconds", "bytes_up", "bytes_down", "model_sha256"),
    ]
    assert (told["task"], told["engine"], told["nodes"]) == ("digits", "simulation", 3)
    assert 0 < told["final"]["accuracy"] <= 1
    assert "dashboard at http://127.0.0.1:" in done.stderr
    kept = shown(data, told["run_id"])
    assert kept["state"] == "finished"
    assert (kept["round"], kept["accuracy"]) == (2, told["final"]["accuracy"])
    assert kept["payload_up_bytes"] == told["bytes_up"]


def test_two_runs_with_one_seed_end_alike(data: Path) -> None:
    ends = [json.loads(fedsight(data, "run", *TINY, "--exit", "--json").stdout) for _ in range(2)]
    assert ends[0]["final"] == ends[1]["final"]
    assert ends[0]["run_id"] != ends[1]["run_id"]


def test_the_dashboard_stays_up_until_ctrl_c(data: Path) -> None:
    with started(data, "run", *TINY) as process:
        url = url_in(line_with(process, "dashboard at"))
        run = line_with(process, "run r-").split()[1]
        line_with(process, "dashboard stays up at")
        assert httpx.get(f"{url}/api/v1/runs/{run}").json()["state"] == "finished"
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (0, "", "")
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{url}/health")


def test_a_collector_of_the_same_data_is_used_and_left_up(data: Path) -> None:
    with started(data, "serve", "collector", "--port", "0") as serving:
        url = url_in(line_with(serving, "listening on"))
        port = url.rsplit(":", 1)[1]
        done = fedsight(data, "run", *TINY, "--port", port)
        assert done.returncode == 0, done.stderr
        assert "was up before and stays up" in done.stdout
        assert httpx.get(f"{url}/api/v1/runs").json()["total"] == 1
        other = fedsight(data.with_name("other"), "run", *TINY, "--port", port, "--exit")
        serving.send_signal(signal.SIGINT)
        serving.communicate(timeout=30)
    assert other.returncode == 1
    assert "is in use by a fedsight with another data directory" in other.stderr
    assert serving.returncode == 0


def test_a_port_of_another_program_is_one_sentence(data: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = fedsight(data, "run", *TINY, "--port", port, "--exit")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        f"fedsight: 127.0.0.1:{port} is in use by another program; choose another port with"
        " --port\n"
    )


def test_beyond_loopback_the_way_to_log_in_is_told(data: Path) -> None:
    done = fedsight(data, "run", *TINY, "--exit", COLLECTOR_HOST="0.0.0.0")
    assert done.returncode == 0, done.stderr
    log = data / "logs" / "collector.log"
    assert f"the address to log in with is in {log}" in done.stdout
    assert "/login?code=" in log.read_text()


def test_a_collector_that_asks_for_a_token_is_not_given_ours(data: Path) -> None:
    with started(data, "serve", "collector", "--host", "0.0.0.0", "--port", "0") as serving:
        port = url_port(line_with(serving, "listening on"))
        done = fedsight(data, "run", *TINY, "--port", port, "--exit")
        serving.send_signal(signal.SIGINT)
        serving.communicate(timeout=30)
    assert done.returncode == 1
    assert "is in use by a program that asks for a token" in done.stderr


def test_a_collector_that_cannot_start_says_why(data: Path) -> None:
    with started(data, "serve", "collector", "--port", "0") as serving:
        line_with(serving, "listening on")
        done = fedsight(data, "run", *TINY, "--exit")
        serving.send_signal(signal.SIGINT)
        serving.communicate(timeout=30)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("fedsight: the collector did not start: another collector")
    assert str(serving.pid) in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--task", "mnits"], "no such task 'mnits'; did you mean 'mnist'?"),
        (["--task", "absent.module:TASK"], "task 'absent.module:TASK': no module named 'absent'"),
        (["--task", "broken:TASK"], "cannot be loaded: SyntaxError: "),
        (["--task", "digits", "--nodes", "9000"], "nodes"),
    ],
)
def test_what_cannot_be_trained_is_usage_and_leaves_no_run(
    data: Path, arguments: list[str], sentence: str
) -> None:
    data.with_name("broken.py").write_text("def task(:")
    done = fedsight(data, "run", *arguments, "--port", "0", "--exit")
    assert done.returncode == 2, done.stderr
    assert sentence in done.stderr
    assert done.stderr.count("\n") == 1
    assert list((data / "journals").glob("*")) == []


def test_a_damaged_store_is_kept_aside_told_and_the_run_goes_on(data: Path) -> None:
    data.mkdir(parents=True)
    (data / "collector.sqlite").write_bytes(b"no database")
    done = fedsight(data, "run", *TINY, "--exit")
    assert done.returncode == 0, done.stderr
    (kept,) = data.glob("collector.sqlite.corrupt-*")
    assert f"the store was damaged and is kept as {kept.name}; a new one began" in done.stdout
    assert kept.read_bytes() == b"no database"


def test_a_run_in_which_nobody_trained_has_failed(data: Path) -> None:
    failing = FAILING.replace("data[0].index == 1", "True")
    data.with_name("nobody.py").write_text(failing)
    done = fedsight(data, "run", "--task", "nobody:Failing", *TINY[2:], "--exit")
    assert done.returncode == 1
    assert "failed (no node returned a usable update in 2 rounds" in done.stdout


def test_an_error_of_the_task_outside_a_node_is_one_sentence(data: Path) -> None:
    broken = FAILING + "\n    def evaluate(self, model, data):\n        raise KeyError('labels')\n"
    data.with_name("unjudged.py").write_text(broken)
    done = fedsight(data, "run", "--task", "unjudged:Failing", *TINY[2:], "--exit")
    assert done.returncode == 1
    assert done.stderr == "fedsight: the run failed: KeyError: 'labels' (unjudged.py:18)\n"


FAILING = """
from fedsight.tasks.digits import DIGITS


class Failing:
    def __getattr__(self, name):
        return getattr(DIGITS, name)

    def data(self, partition):
        return partition, DIGITS.data(partition)

    def train(self, model, data, recipe, rng):
        if data[0].index == 1:
            raise RuntimeError("out of [bold]memory[/bold]")
        return DIGITS.train(model, data[1], recipe, rng)
"""


def test_a_client_that_fails_is_told_with_its_message_and_the_run_goes_on(data: Path) -> None:
    data.with_name("mytask.py").write_text(FAILING)
    flags = ["--task", "mytask:Failing", *TINY[2:], "--exit"]
    done = fedsight(data, "run", *flags)
    assert done.returncode == 0, done.stderr
    assert "round 1: client-1: " in done.stdout
    assert "out of [bold]memory[/bold]" in done.stdout
    assert "2/3" in done.stdout


def test_ctrl_c_in_the_middle_ends_cleanly_as_interrupted(data: Path) -> None:
    with started(data, "run", *LONG) as process:
        run = line_with(process, "run r-").split()[1]
        line_with(process, "round     loss")
        for _ in range(3):
            line_with(process, "3/3")
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (1, "")
    assert f"{run} interrupted" in out
    kept = shown(data, run)
    assert kept["state"] == "interrupted"
    found, _ = stored(data, run)
    assert found == list(range(1, len(found) + 1))
    with Journal(data / "journals", run) as journal:
        assert journal.waiting == 0


def test_ctrl_c_before_training_leaves_nothing_behind(data: Path) -> None:
    with started(data, "run", *LONG) as process:
        line_with(process, "dashboard at")
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert err == "fedsight: interrupted\n"


def acknowledged(data: Path, run: str) -> int:
    """The last round in the run's journal."""
    with sqlite3.connect(data / "journals" / f"{run}.sqlite") as database:
        (records,) = database.execute("SELECT max(seq) FROM record").fetchone()
    database.close()
    return int(records) - 1


def wait_for(url: str, run: str, state: str) -> None:
    """Until the collector says that the run is in `state`."""
    deadline = time.monotonic() + 60
    answer: dict[str, object] = {}
    while answer.get("state") != state:
        assert time.monotonic() < deadline, answer
        time.sleep(0.1)
        answer = httpx.get(f"{url}/api/v1/runs/{run}").json()


def collected(data: Path, run: str) -> None:
    """Let a new collector fetch what the dead left behind."""
    with started(data, "serve", "collector", "--port", "0") as serving:
        wait_for(url_in(line_with(serving, "listening on")), run, "interrupted")
        serving.send_signal(signal.SIGTERM)
        serving.communicate(timeout=30)


def assert_each_is_there_once(data: Path, run: str, rounds: int) -> None:
    found, clients = stored(data, run)
    assert found == list(range(1, rounds + 1))
    assert clients == [(one, f"client-{node}") for one in range(1, rounds + 1) for node in range(3)]


@pytest.mark.timeout(120 + 40 * KILLS)
def test_a_killed_run_is_stored_to_its_last_acknowledged_round(data: Path) -> None:
    moments = random.Random(3)
    for _ in range(KILLS):
        with started(data, "run", *LONG) as process:
            run = line_with(process, "run r-").split()[1]
            line_with(process, "round     loss")
            for _ in range(moments.randint(1, 60)):
                line_with(process, "3/3")
            time.sleep(moments.uniform(0, 0.1))
            process.kill()
            process.communicate(timeout=60)
        rounds = acknowledged(data, run)
        assert rounds > 0
        collected(data, run)
        assert_each_is_there_once(data, run, rounds)
        assert shown(data, run)["state"] == "interrupted"


@pytest.mark.timeout(120 + 40 * KILLS)
def test_a_killed_collector_loses_and_doubles_nothing(data: Path) -> None:
    moments = random.Random(5)
    with started(data, "serve", "collector", "--port", "0") as serving:
        port = url_in(line_with(serving, "listening on")).rsplit(":", 1)[1]
        rounds = 100 + 100 * KILLS
        flags = ["--rounds", str(rounds), "--port", port, "--exit"]
        with started(data, "run", *LONG[:-4], *flags, "--epochs", "1") as process:
            run = line_with(process, "run r-").split()[1]
            line_with(process, "round     loss")
            for _ in range(KILLS):
                for _ in range(moments.randint(1, 60)):
                    line_with(process, "3/3")
                time.sleep(moments.uniform(0, 0.1))
                serving.kill()
                serving.communicate(timeout=30)
                serving = started(data, "serve", "collector", "--port", port)
                line_with(serving, "listening on")
            out, err = process.communicate(timeout=100 + 20 * KILLS)
        assert process.returncode == 0, err
        assert f"{run} finished" in out
        wait_for(f"{URL}{port}", run, "finished")
        serving.send_signal(signal.SIGTERM)
        serving.communicate(timeout=30)
    assert_each_is_there_once(data, run, rounds)
    assert shown(data, run)["state"] == "finished"
