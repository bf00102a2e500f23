"""Every benchmark, as it is called: the quick scale of each prints what was promised."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from typing import Any

import pytest

from benchmarks.__main__ import NAMES
from benchmarks.machine import ROOT

PEERS = {"simulation": ("ray", "pfl")}
TARGETS = {
    "accuracy": 3,
    "overhead": 2,
    "simulation": 7,
    "startup": 1,
    "dashboard": 3,
    "deployment": 4,
    "aggregation": 5,
    "algorithms": 1,
    "collector": 18,
    "anomalies": 3,
    "attacks": 3,
    "exports": 2,
    "otlp": 4,
    "policy": 6,
    "forecast": 20,
    "promql": 1,
    "stream": 3,
    "windows": 2,
}


def quick(name: str) -> subprocess.CompletedProcess[str]:
    """`python -m benchmarks.NAME --quick --json`."""
    return subprocess.run(
        [sys.executable, "-m", f"benchmarks.{name}", "--quick", "--json"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


def missing(name: str) -> list[str]:
    """Peers of that benchmark that are not installed."""
    return [peer for peer in PEERS.get(name, ()) if importlib.util.find_spec(peer) is None]


def of_the_promised_shape(name: str, printed: dict[str, Any]) -> bool:
    assert list(printed) == ["name", "commit", "machine", "scale", "figures", "targets"]
    assert printed["name"] == name
    assert printed["scale"]["quick"] is True
    assert printed["figures"]
    assert {"cpu", "cores", "memory_bytes", "load_average"} < printed["machine"].keys()
    return all(target.keys() == {"what", "value", "bound", "met"} for target in printed["targets"])


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.parametrize("name", NAMES)
def test_quick_prints_one_object_or_says_which_peer_is_missing(name: str) -> None:
    done = quick(name)
    if missing(name):
        assert done.returncode == 1
        assert "pip install 'fedsight[bench]'" in done.stderr
        return
    assert done.returncode == 0, done.stderr
    printed = json.loads(done.stdout)
    assert of_the_promised_shape(name, printed)
    assert len(printed["targets"]) == TARGETS[name]


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.parametrize("name", ["overhead"])
def test_what_must_hold_at_any_speed_holds(name: str) -> None:
    targets = json.loads(quick(name).stdout)["targets"]
    assert all(target["met"] for target in targets if target["bound"] is True)
