"""A run on which policy decided does not go on without it unseen."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.command import TINY, fedsight

pytestmark = pytest.mark.slow


def test_a_governed_run_goes_on_without_its_policy_only_by_force(tmp_path: Path) -> None:
    data, rules = tmp_path / "data", tmp_path / "policy"
    assert fedsight(data, "policy", "init", str(rules)).returncode == 0
    file = rules / "runs.cedar"
    file.write_text(file.read_text().replace("max_rounds <= 1000", "max_rounds <= 1"))
    exits = ("--port", "0", "--exit", "--json")
    done = fedsight(data, "run", *TINY, "--policy", str(rules), *exits)
    told = json.loads(done.stdout)
    assert told["rounds"] == 1, done.stderr
    shown = fedsight(data, "runs", "show", told["run_id"]).stdout
    assert "policy    version " in shown
    assert "refused nobody" in shown
    resume = ("run", "--resume", told["run_id"], *exits)
    refused = fedsight(data, *resume)
    assert refused.returncode == 2
    assert "policy decided on this run until now" in refused.stderr
    again = fedsight(data, *resume, "--policy", str(rules))
    assert "max_rounds <= 1" in again.stderr
    assert json.loads(fedsight(data, *resume, "--force").stdout)["rounds"] == 2
