"""A run that is killed at any moment goes on to the bits that it would have ended with."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fedsight.federated.plan import Plan
from fedsight.federated.training import train
from fedsight.journal import Journal
from tests.cli.command import fedsight
from tests.federated.faults.interrupted import Interrupted
from tests.federated.faults.paced import HELD_DIGITS

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

ROUNDS = 150
NODES = 3


def flags(**keys: object) -> list[str]:
    """A plan's flags."""
    given = {"task": HELD_DIGITS, "nodes": NODES, "epochs": 1, **keys}
    return [word for key, value in given.items() for word in (f"--{key}", str(value))]


def whole(folder: Path, **keys: object) -> str:
    """The final model of the same plan, simulated in one go."""
    plan = Plan.of({"task": "digits", "nodes": NODES, "epochs": 1, **keys})  # type: ignore[arg-type]
    with Journal(folder / "whole", "r-whole") as journal:
        digest = train(plan, journal, run_id="r-whole").model_sha256
    assert digest is not None
    return digest


def assert_collected(run: Interrupted, rounds: int) -> None:
    """The collector has the run as finished, each round and each node's row once."""
    shown = fedsight(run.data, "runs", "show", run.run, "--json")
    assert json.loads(shown.stdout)["state"] == "finished", shown
    found = json.loads(fedsight(run.data, "runs", "export", run.run).stdout)
    assert [one["round"] for one in found["rounds"]] == list(range(1, rounds + 1))
    rows = [(one["round"], one["node"]) for one in found["clients"]]
    every = [(at, f"client-{node}") for at in range(1, rounds + 1) for node in range(NODES)]
    assert sorted(rows) == sorted(every)


@pytest.mark.parametrize("algorithm", ["fedavg", "fedadam", "scaffold"])
def test_killed_in_each_phase_it_ends_with_the_same_bits(tmp_path: Path, algorithm: str) -> None:
    run = Interrupted(tmp_path / "data", *flags(rounds=ROUNDS, algorithm=algorithm))
    run.start()
    run.kill_in("train-1")
    run.start()
    run.kill_in("evaluate")
    run.start()
    run.kill_when(lambda: run.model() > run.checkpoint() > 0, seed=1)
    run.start()
    run.kill_when(lambda: run.checkpoint() > max(run.journaled()), seed=2)
    before = run.checkpoint()
    run.start()
    ended = run.ended()
    assert 0 < before < ROUNDS
    assert run.journaled() == list(range(1, ROUNDS + 1))
    assert ended["model_sha256"] == whole(tmp_path, rounds=ROUNDS, algorithm=algorithm)
    assert_collected(run, ROUNDS)
