"""`fedsight serve federation --policy`: what is told of runs that policy governs."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fedsight.policy.files import init, read
from tests.cli.command import fedsight
from tests.federated.api.test_process import PATIENCE, Served

pytestmark = pytest.mark.slow


class Governed(Served):
    """A server whose runs the set in `rules` governs."""

    rules: Path


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Governed]:
    rules = tmp_path / "rules"
    init(rules)
    numbers = rules / "federation.toml"
    numbers.write_text(numbers.read_text().replace('["*"]', '["client-0", "client-2"]'))
    server = Governed(tmp_path / "data", "--policy", str(rules))
    server.rules = rules
    yield server
    assert server.end()[0] == 0


def refusal(server: Served, body: dict[str, Any]) -> dict[str, Any]:
    """Why a run is not started; the one before may be winding up."""
    deadline = time.monotonic() + PATIENCE
    while (answer := server.http.post("/start", json=body)).status_code == 409:
        assert time.monotonic() < deadline, answer.text
        time.sleep(0.02)
    assert answer.status_code == 403, answer.text
    found: dict[str, Any] = answer.json()["error"]
    return found


def events(server: Served, kind: str) -> list[dict[str, Any]]:
    found = server.get("/events?limit=1000")["events"]
    return [one for one in found if one["event_type"] == kind]


def started(server: Served, body: dict[str, Any]) -> str:
    """Start a run; the one before may be winding up for a moment after it is told as finished."""
    deadline = time.monotonic() + PATIENCE
    while (answer := server.http.post("/start", json=body)).status_code == 409:
        assert time.monotonic() < deadline, answer.text
        time.sleep(0.02)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["run"])


def test_each_run_is_governed_and_says_who_was_refused_and_what_stopped_it(
    served: Governed,
) -> None:
    served.post("/start", {"training_config": {"max_rounds": 2, "local_epochs": 1}})
    served.until(lambda now: now["status"] == "finished")
    refused = events(served, "CLIENT_REFUSED")
    assert [(one["round"], one["client_id"]) for one in refused] == [
        (1, "client-1"),
        (2, "client-1"),
    ]
    why = "not a member of the federation"
    told = served.get("/clients/client-1")["refused"]
    assert told == {"action": "train", "round": 2, "reason": why}
    assert served.get("/clients/client-0")["refused"] is None
    line = 'fl_policy_refusals_total{node="client-1",action="train",rule="client.not-a-member"} 2'
    assert line in served.http.get("/metrics").text.splitlines()

    version = read(served.rules).version
    assert served.get("/status")["policy_version"] == version

    refused = refusal(served, {"training_config": {"max_rounds": 2000}})
    reason = "the policy does not let the run start: the run is longer than the federation allows"
    assert refused == {"code": "policy", "message": reason}
    (denied,) = events(served, "ROUND_POLICY_DENIED")
    assert denied["details"] == {"message": reason, "rules": ["run.too-many-rounds"]}
    assert served.get("/status")["max_rounds"] == 2  # nothing was started

    numbers = served.rules / "federation.toml"
    run = started(served, {"training_config": {"max_rounds": 999}})
    numbers.write_text(numbers.read_text().replace("min_clients = 1", "min_clients = 9"))
    served.until(lambda now: now["run"] == run and now["status"] == "stopped")
    (stopped,) = events(served, "TRAINING_STOPPED_BY_POLICY")
    reason = "fewer clients may train than"
    assert stopped["run"] == run
    assert reason in stopped["details"]["reason"]
    assert reason in served.get("/status")["stop_reason"]
    assert not events(served, "TRAINING_STOPPED")
    assert served.http.post("/restart", json={}).status_code == 202


def test_a_wrong_set_starts_no_server(tmp_path: Path) -> None:
    rules = tmp_path / "rules"
    init(rules)
    (rules / "own.cedar").write_text("permit (principal action);")
    found = fedsight(tmp_path / "data", "serve", "federation", "--policy", str(rules))
    assert found.returncode != 0
    assert "own.cedar" in found.stderr
    found = fedsight(tmp_path / "data", "up", "--policy", str(rules), "--port", "0")
    assert found.returncode != 0
    assert "own.cedar" in found.stderr
