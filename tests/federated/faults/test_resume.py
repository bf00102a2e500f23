"""A run that is killed at any moment goes on to the bits that it would have ended with."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fedsight.federated.link.launch import launched
from fedsight.federated.plan import Plan
from fedsight.federated.training import train
from fedsight.journal import Journal
from tests.cli.command import exported, fedsight
from tests.federated.faults.ground import settings
from tests.federated.faults.interrupted import Interrupted, everything
from tests.federated.faults.paced import FOLDER, HELD_DIGITS, WEIGHED

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
    told = exported(run.data, run.run, "rounds")
    assert [one["round"] for one in told] == list(range(1, rounds + 1))
    rows = [(one["round"], one["node"]) for one in exported(run.data, run.run, "clients")]
    every = [(at, f"client-{node}") for at in range(1, rounds + 1) for node in range(NODES)]
    assert sorted(rows) == sorted(every)


@pytest.mark.parametrize("algorithm", ["fedavg", "fedadam", "scaffold"])
def test_killed_in_each_phase_it_ends_with_the_same_bits(tmp_path: Path, algorithm: str) -> None:
    asked = flags(rounds=ROUNDS, algorithm=algorithm, weighting=WEIGHED)
    run = Interrupted(tmp_path / "data", *asked)
    run.start()
    run.kill_in("train-1")
    run.start()
    run.kill_in("aggregate")
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


def test_the_whole_machine_killed_in_a_deployed_round(tmp_path: Path) -> None:
    run = Interrupted(tmp_path / "data", *flags(rounds=8, engine="deployment"))
    run.start()
    run.wait("train-1", 3)
    run.pace.hold("train-1")
    run.wait("train-0", run.pace.times("train-1") + 1)
    assert run.process is not None
    killed = everything(run.process)
    assert len(killed) == 1 + 1 + 1 + 1 + NODES  # training, collector, nursery, SuperLink, nodes
    for process in killed:
        process.kill()
    run.process.communicate(timeout=60)
    run.pace.release("train-1")
    run.start()
    ended = run.ended()
    assert (ended["engine"], ended["rounds"]) == ("deployment", 8)
    assert ended["model_sha256"] == whole(tmp_path, rounds=8)
    assert run.journaled() == list(range(1, 9))
    assert_collected(run, 8)


def test_training_alone_killed_it_goes_on_with_the_same_nodes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Interrupted(tmp_path / "data", *flags(rounds=8))
    monkeypatch.setenv(FOLDER, str(run.pace.folder))
    with launched(settings(tmp_path / "nodes"), NODES, task=HELD_DIGITS) as federation:
        run.start("--superlink", federation.address)
        run.kill_in("train-1")
        run.start("--superlink", federation.address)
        ended = run.ended()
    assert ended["model_sha256"] == whole(tmp_path, rounds=8)
    assert run.journaled() == list(range(1, 9))


def test_a_resume_that_cannot_be_is_one_sentence(tmp_path: Path) -> None:
    run = Interrupted(tmp_path / "data", *flags(rounds=50))
    run.start()
    run.wait("train-1", 3)
    run.pace.hold("train-1")
    assert "goes on in another process" in run.refused("--resume", run.run)
    run.kill()
    changed = run.refused("--resume", run.run, "--lr", "0.1", "--rounds", "60")
    assert "rounds: 50 -> 60, lr: 0.05 -> 0.1" in changed
    assert "--force" in changed
    assert f"there are {run.run}" in run.refused("--resume", "r-unknown")
    path = run.data / "checkpoints" / f"{run.run}.safetensors"
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    assert "cannot be read" in run.refused("--resume", run.run)
    path.write_bytes(content)
    run.pace.release("train-1")
    run.start("--rounds", "6", "--force")
    ended = run.ended()
    assert ended["model_sha256"] == whole(tmp_path, rounds=6)
