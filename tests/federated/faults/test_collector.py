"""The collector is away for a whole run, and gets everything once when it comes."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import httpx
import pytest

from fedsight.federated.link.launch import launched
from fedsight.journal import Shipper
from fedsight.journal.http import HttpSink
from tests.cli.command import exported, line_with, started
from tests.federated.faults.ground import assert_sound, plan, running, settings
from tests.federated.faults.paced import COUNTING, Pace, until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


def test_a_collector_that_was_away_gets_each_round_once(pace: Pace, tmp_path: Path) -> None:
    asked = plan(nodes=3, rounds=6, timeout_seconds=30.0, silent_seconds=3.0)
    with (
        launched(settings(tmp_path), 3, task=COUNTING, again=False) as federation,
        running(federation, tmp_path, asked) as run,
        HttpSink("http://127.0.0.1:9", None) as nowhere,
        Shipper(run.journal, nowhere),
    ):
        run.rounds(1)
        pace.hold("train-2")
        pace.wait("train-2", 2)
        federation.kill_node(2)
        there = assert_sound(run, 6, 10.0)
    with started(tmp_path, "serve", "collector", "--port", "0") as serving:
        url = line_with(serving, "listening on").split()[-1]
        seen = f"{url.rstrip('/')}/api/v1/runs/r-1"
        until(lambda: httpx.get(seen, trust_env=False).json().get("state") == "finished")
        time.sleep(1.0)  # it looks for journals again and again
        serving.send_signal(signal.SIGTERM)
        serving.communicate(timeout=30)
    rounds = exported(tmp_path, "r-1", "rounds")
    assert [one["round"] for one in rounds] == list(range(1, 7))
    clients = exported(tmp_path, "r-1", "clients")
    rows = [(one["round"], one["node"]) for one in clients if one["train_seconds"]]
    assert sorted(rows) == [(at, node) for at in sorted(there) for node in there[at]]
