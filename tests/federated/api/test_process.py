"""`fedsight serve federation` as a whole process that trains digits, asked over HTTP."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.cli.command import fedsight, line_with, started
from tests.collector.server import Server as Collector

pytestmark = pytest.mark.slow

PATIENCE = 60.0
LONG = {"training_config": {"max_rounds": 100_000, "local_epochs": 1, "client_fraction": 1.0}}


class Served:
    """The process, and a client that has its token."""

    def __init__(self, data: Path, *arguments: str, **more: str) -> None:
        command = ("serve", "federation", "--port", "0", "--task", "digits", "--nodes", "3")
        self.process: subprocess.Popen[str] = started(data, *command, *arguments, **more)
        url = line_with(self.process, "listening on ").split()[-1]
        token = (data / "token").read_text().strip()
        headers = {"Authorization": f"Bearer {token}"}
        self.http = httpx.Client(base_url=url, headers=headers, trust_env=False, timeout=20)

    def get(self, path: str) -> Any:
        answer = self.http.get(path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def post(self, path: str, body: Any = None) -> Any:
        answer = self.http.post(path, json=body or {})
        assert answer.status_code == 202, answer.text
        return answer.json()

    def until(self, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            found: dict[str, Any] = self.get("/status")
            if wanted(found):
                return found
            time.sleep(0.02)
        raise AssertionError(f"still {found}")

    def end(self, number: int = signal.SIGINT) -> tuple[int, str]:
        """Ask it to end; its exit code and what it wrote to standard error."""
        self.http.close()
        self.process.send_signal(number)
        out, said = self.process.communicate(timeout=60)
        assert out == ""
        return self.process.returncode, said


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    found = Served(tmp_path / "data", COLLECTOR_PORT="9")
    yield found
    if found.process.poll() is None:
        found.end()


def test_a_real_run_is_started_paused_resumed_and_stopped(served: Served, tmp_path: Path) -> None:
    assert served.get("/status")["status"] == "idle"
    run = served.post("/start", LONG)["run"]
    served.until(lambda now: (now["rounds"] or 0) >= 3)
    served.post("/pause", {"reason": "a look"})
    paused = served.until(lambda now: now["status"] == "paused")
    rounds = paused["rounds"]
    time.sleep(0.3)
    assert served.get("/status")["rounds"] == rounds
    served.post("/resume")
    served.until(lambda now: now["rounds"] > rounds)
    served.post("/stop", {"reason": "enough"})
    now = served.until(lambda now: not now["training_active"])
    assert (now["status"], now["run"], now["stop_reason"]) == ("stopped", run, "enough")
    assert now["current_accuracy"] > 0.5
    assert (now["clients"], now["connected_clients"]) == (3, 3)
    page = served.get("/rounds?limit=1000")
    assert page["latest_round"] == now["rounds"]
    assert [one["round"] for one in page["rounds"]] == list(range(1, now["rounds"] + 1))[:1000]
    assert served.get(f"/models/{run}/latest")["round"] == now["rounds"]
    assert "fl_round_duration_seconds_bucket" in served.http.get("/metrics").text
    journals = list((tmp_path / "data" / "journals").glob("*.sqlite"))
    assert [one.stem for one in journals] == [run]


def test_ctrl_c_ends_the_run_as_stopped_and_the_collector_learns_of_it(tmp_path: Path) -> None:
    data = tmp_path / "data"
    served = Served(data, COLLECTOR_PORT="9")
    run = served.post("/start", LONG)["run"]
    served.until(lambda now: (now["rounds"] or 0) >= 2)
    code, said = served.end()
    assert (code, "Traceback" in said) == (0, False)
    with Collector(data) as collector:
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            runs = {one["id"]: one for one in collector.get("/api/v1/runs")["runs"]}
            if run in runs and runs[run]["state"] != "training":
                break
            time.sleep(0.1)
        assert (runs[run]["state"], runs[run]["reason"]) == ("stopped", "the server ended")


def test_a_run_ships_to_the_collector_beside_it_while_it_trains(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with Collector(data) as collector:
        served = Served(data, COLLECTOR_PORT=collector.url.rpartition(":")[2])
        run = served.post("/start", LONG)["run"]
        now = served.until(lambda now: (now["rounds"] or 0) >= 3)
        deadline = time.monotonic() + PATIENCE
        found: dict[str, Any] = {}
        while found.get("round", 0) < now["rounds"] and time.monotonic() < deadline:
            answer = collector.http.get(f"/api/v1/runs/{run}")
            found = answer.json() if answer.status_code == 200 else {}
            time.sleep(0.05)
        assert (found["state"], found["task"]) == ("training", "digits")
        served.end()


def test_a_run_that_converges_stops_by_itself_and_says_so(served: Served) -> None:
    body = {"training_config": {"max_rounds": 500, "convergence_threshold": 0.02}}
    served.post("/start", body)
    now = served.until(lambda now: not now["training_active"])
    assert now["status"] == "finished"
    assert now["rounds"] < 500
    assert "0.02" in now["stop_reason"]
    last = [one["accuracy"] for one in served.get("/rounds")["rounds"]][-3:]
    assert max(last) - min(last) < 0.02


@pytest.mark.parametrize(
    ("variable", "value", "says"),
    [
        ("MIN_CLIENTS", "0", "MIN_CLIENTS must be a whole number of at least 1, got '0'"),
        ("AGGREGATION_STRATEGY", "fedmean", "algorithm must be one of fedavg"),
        ("DIFFERENTIAL_PRIVACY", "true", "differential privacy is not built yet"),
        ("FL_SERVER_PORT", "eighty", "FL_SERVER_PORT must be a port number"),
    ],
)
def test_a_wrong_setting_starts_nothing(
    tmp_path: Path, variable: str, value: str, says: str
) -> None:
    done = fedsight(tmp_path / "data", "serve", "federation", **{variable: value})
    assert (done.returncode, done.stdout) == (2, "")
    assert says in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_settings_are_what_a_bare_start_runs(tmp_path: Path) -> None:
    more = {"MAX_ROUNDS": "2", "CLIENT_FRACTION": "1.0", "AGGREGATION_STRATEGY": "fedavgm"}
    served = Served(tmp_path / "data", COLLECTOR_PORT="9", **more)
    served.post("/start")
    now = served.until(lambda now: not now["training_active"])
    assert (now["status"], now["rounds"], now["algorithm"]) == ("finished", 2, "fedavgm")
    events = served.get("/events?limit=1000")["events"]
    assert json.dumps(events).count('"ROUND_COMPLETED"') == 2
    assert served.end(signal.SIGTERM)[0] == 0


def test_a_deployment_of_its_own_is_started_paused_and_stopped(tmp_path: Path) -> None:
    more = ("--engine", "deployment", "--nodes", "2")
    served = Served(tmp_path / "data", *more, COLLECTOR_PORT="9")
    try:
        run = served.post("/start", LONG)["run"]
        now = served.until(lambda now: (now["rounds"] or 0) >= 2)
        assert (now["engine"], now["clients"], now["connected_clients"]) == ("deployment", 2, 2)
        served.post("/pause")
        served.until(lambda now: now["status"] == "paused")
        clients = served.get("/clients")["clients"]
        assert [one["client_id"] for one in clients] == ["client-0", "client-1"]
        assert {one["kind"] for one in clients} == {"warm"}
        assert min(one["rounds"] for one in clients) >= 2
        served.post("/stop", {"reason": "enough"})
        now = served.until(lambda now: not now["training_active"])
        assert (now["run"], now["status"], now["stop_reason"]) == (run, "stopped", "enough")
        second = served.post("/start", {"training_config": {"max_rounds": 2}})["run"]
        now = served.until(lambda now: not now["training_active"])
        assert (now["run"], now["status"], now["rounds"]) == (second, "finished", 2)
    finally:
        code, said = served.end()
    assert (code, "Traceback" in said) == (0, False)


def test_a_superlink_in_a_simulation_is_refused(tmp_path: Path) -> None:
    words = ("--engine", "simulation", "--superlink", "127.0.0.1:8000")
    done = fedsight(tmp_path / "data", "serve", "federation", *words)
    assert (done.returncode, done.stdout) == (2, "")
    assert "a SuperLink has nothing to do in a simulation" in done.stderr


def test_where_no_superlink_is_the_run_fails_and_says_so(tmp_path: Path) -> None:
    served = Served(tmp_path / "data", "--superlink", "127.0.0.1:9", COLLECTOR_PORT="9")
    served.post("/start", {"plan": {"wait_seconds": 0.5}})
    now = served.until(lambda now: not now["training_active"])
    assert (now["status"], now["rounds"]) == ("failed", 0)
    assert "127.0.0.1:9" in now["stop_reason"]
    served.end()
