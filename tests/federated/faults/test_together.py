"""Runs that share a SuperLink, nodes of which one is slow, and nodes that send what is amiss."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from flwr.app import Message, MetricRecord, RecordDict

from fedsight.federated import codec
from fedsight.federated.link.launch import launched
from fedsight.federated.link.superlink import SuperLink, SuperLinkOptions
from fedsight.federated.plan import Plan
from fedsight.federated.training import train
from fedsight.journal import Journal
from tests.cli.command import FEDSIGHT, environment
from tests.federated.faults.ground import assert_sound, plan, running, settings
from tests.federated.faults.paced import COUNTING, Pace
from tests.federated.link.fleet import introducing, nodes

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


def test_two_runs_at_once_on_one_superlink_do_not_mix(tmp_path: Path) -> None:
    flags = ["--task", "digits", "--nodes", "2", "--rounds", "12", "--epochs", "1"]
    flags += ["--port", "0", "--exit", "--json"]
    with launched(settings(tmp_path / "nodes"), 2, task="digits") as federation:
        runs = [
            subprocess.Popen(
                [*FEDSIGHT, "run", *flags, "--superlink", federation.address, "--seed", str(seed)],
                env=environment(tmp_path / f"data-{seed}"),
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            for seed in (0, 1)
        ]
        said = [run.communicate(timeout=120) for run in runs]
    assert [run.returncode for run in runs] == [0, 0], said
    for seed, (out, _) in enumerate(said):
        alone = Plan(task="digits", nodes=2, rounds=12, epochs=1, seed=seed)
        with Journal(tmp_path, f"r-{seed}") as journal:
            assert (
                json.loads(out)["model_sha256"]
                == train(alone, journal, run_id=f"r-{seed}").model_sha256
            )


def test_without_rounds_in_step_a_slow_node_holds_nobody_up(pace: Pace, tmp_path: Path) -> None:
    asked = plan(nodes=3, rounds=12, mode="async", buffer=2, timeout_seconds=60.0)
    with (
        launched(settings(tmp_path), 3, task=COUNTING) as federation,
        running(federation, tmp_path, asked) as run,
    ):
        pace.hold("train-2")
        run.rounds(6)
        pace.release("train-2")
        there = assert_sound(run, 12, 10.0)
    assert all(sorted(there[at]) == ["client-0", "client-1"] for at in range(1, 7))
    # Asked in round 1, it had added 3 to a model that was `first - 1` rounds old by then.
    first = min(at for at, names in there.items() if "client-2" in names)
    added = {"client-0": 1.0, "client-1": 2.0, "client-2": 3.0 * first**-0.5}
    weights = {name: int(name[-1]) + 1 for name in there[first]}
    step = sum(weights[name] * added[name] for name in weights) / sum(weights.values())
    assert (run.reports[first - 1].loss or 0.0) == pytest.approx(
        (run.reports[first - 2].loss or 0.0) + step
    )


def answering(name: str, part: int, made: Callable[[np.ndarray], np.ndarray]) -> object:
    """A node that answers with what `made` makes of the model."""

    def train(message: Message) -> RecordDict:
        vector = codec.unpack(message.content["arrays"])  # type: ignore[arg-type]
        figures = MetricRecord({"num-examples": 1, "train-loss": 1.0, "train-seconds": 0.1})
        return RecordDict({"arrays": codec.pack(made(vector)), "metrics": figures})

    return introducing(name, part, train)


def test_what_a_node_sends_amiss_is_refused_by_its_name(tmp_path: Path) -> None:
    amiss = {
        "right": lambda vector: vector + 1,
        "longer": lambda vector: np.append(vector, vector),
        "double": lambda vector: vector.astype(np.float64),
        "nan": lambda vector: vector * np.nan,
        "infinite": lambda vector: vector + np.inf,
    }
    link = SuperLink(SuperLinkOptions(port=0))
    address = str(link.start())
    answers = [answering(name, part, made) for part, (name, made) in enumerate(amiss.items())]
    asked = plan(nodes=5, rounds=2, timeout_seconds=30.0)
    try:
        with nodes(address, *answers), running(address, tmp_path, asked) as run:  # type: ignore[arg-type]
            there = assert_sound(run, 2, 30.0)
            refused = {
                str(event.node): event.details["message"] for event in run.events("UPDATE_REJECTED")
            }
    finally:
        link.stop()
    assert run.outcome().loss == 2.0
    assert refused == {
        "longer": "update is float32 of shape (4,), the model is float32 of shape (2,)",
        "double": "update is float64 of shape (2,), the model is float32 of shape (2,)",
        "nan": "update holds 2 NaN and 0 infinite values of 2",
        "infinite": "update holds 0 NaN and 2 infinite values of 2",
    }
    assert set(there) == {1, 2}
