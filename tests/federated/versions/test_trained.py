"""Models of real training: what a run hands on, and what a loaded model is worth."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from fedsight.errors import FedsightError
from fedsight.federated.engines.simulated import Simulation
from fedsight.federated.plan import Plan
from fedsight.federated.training import Outcome, RoundReport, Steering, train
from fedsight.federated.versions import Metrics, ModelStore, RunKeeper
from fedsight.signals import Batch
from fedsight.tasks import load
from tests.federated.versions.made import EVERYTHING, versions

SMALL = Plan(task="digits", nodes=4, rounds=3, epochs=1)


class Recorded:
    """A recorder in memory."""

    def __init__(self) -> None:
        self.batches: list[Batch] = []

    def append(self, batch: Batch) -> int:
        self.batches.append(batch)
        return len(self.batches)


class Broken:
    """A keeper whose disk is full in round 2."""

    def keep(self, round: int, state: object, metrics: object) -> None:
        if round == 2:
            raise FedsightError("cannot write the model: No space left on device")


def trained(store: ModelStore, keep: int = EVERYTHING, plan: Plan = SMALL) -> Outcome:
    return train(plan, Recorded(), run_id="r-1", models=RunKeeper(store, "r-1", plan.task, keep))


@pytest.mark.parametrize("task", ["digits", "mnist"])
def test_a_loaded_model_is_as_accurate_as_its_manifest_says(tmp_path: Path, task: str) -> None:
    store = ModelStore(tmp_path)
    trained(store, plan=Plan(task=task, nodes=20, rounds=2, epochs=1, fraction=0.1))
    assert versions(store) == ["r-1/1", "r-1/2"]
    ours = load(task)
    for one in store.scan().versions:
        model = ours.model(123)
        model.load_state_dict(load_file(store.model_file(one.name)))
        found = ours.evaluate(model, ours.held_out())
        assert Metrics(found["accuracy"], found["loss"]) == one.metrics


def test_the_last_version_is_the_final_model_bit_by_bit(tmp_path: Path) -> None:
    store = ModelStore(tmp_path)
    trained(store)
    final = Simulation(SMALL, load("digits")).run(lambda _: None, "r-1")
    found = load_file(store.folder / "r-1" / "3.safetensors")
    names = load("digits").model(0).state_dict()
    flat = torch.cat([found[name].reshape(-1) for name in names])
    assert np.array_equal(flat.numpy(), final)


def test_keeping_models_changes_neither_training_nor_the_journal(tmp_path: Path) -> None:
    without, with_ = Recorded(), Recorded()
    ends = [
        train(SMALL, without, run_id="r-1"),
        train(
            SMALL,
            with_,
            run_id="r-1",
            models=RunKeeper(ModelStore(tmp_path), "r-1", "digits", EVERYTHING),
        ),
    ]
    assert ends[0].model_sha256 == ends[1].model_sha256
    kinds = [
        [[event.kind for event in batch.events] for batch in kept.batches]
        for kept in (without, with_)
    ]
    assert kinds[0] == kinds[1]


def test_a_model_is_kept_before_its_round_is_reported(tmp_path: Path) -> None:
    store = ModelStore(tmp_path)
    there: list[list[str]] = []

    def look(_: RoundReport) -> None:
        there.append(versions(store))

    keeper = RunKeeper(store, "r-1", "digits", EVERYTHING)
    train(SMALL, Recorded(), run_id="r-1", steering=Steering(on_round=look), models=keeper)
    kept = ["r-1/1", "r-1/2", "r-1/3"]
    assert there == [kept[:1], kept[:2], kept]


def test_a_full_disk_fails_the_run_with_its_sentence() -> None:
    recorded = Recorded()
    outcome = train(SMALL, recorded, run_id="r-1", models=Broken())
    assert (outcome.state, outcome.rounds) == ("failed", 2)
    assert outcome.reason == "cannot write the model: No space left on device"
    assert recorded.batches[-1].events[0].details["reason"] == outcome.reason
