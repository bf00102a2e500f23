"""A cohort trains what the loop trains, to float precision, and says when it cannot."""

from __future__ import annotations

import sys
from copy import deepcopy
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from fedsight.federated.engines import cohort as cohort_module
from fedsight.federated.engines.simulated import Simulation
from fedsight.federated.flat import Vector
from fedsight.federated.observation import RoundRecord
from fedsight.federated.plan import Plan
from fedsight.federated.training import Steering, train
from fedsight.signals import Batch, samples_of
from fedsight.tasks import Partition, load
from fedsight.tasks.classification import Classification, Labelled, initialise
from fedsight.tasks.digits import DIGITS
from tests.federated.toy import Toy

SMALL = Plan(task="digits", nodes=20, rounds=1, fraction=0.5, epochs=2, local="cohort")
TASK: object = DIGITS


class Kept:
    """A recorder in memory."""

    def __init__(self) -> None:
        self.batches: list[Batch] = []

    def append(self, batch: Batch) -> int:
        self.batches.append(batch)
        return len(self.batches)


def run(plan: Plan, task: object = DIGITS) -> tuple[Vector, list[RoundRecord], Simulation]:
    records: list[RoundRecord] = []
    simulation = Simulation(plan, task)  # type: ignore[arg-type]
    return simulation.run(records.append, "r-1"), records, simulation


def built(*layers: nn.Module) -> Classification:
    """Digits, classified by another model."""
    model = nn.Sequential(*layers)
    return Classification(DIGITS.load, lambda rng: initialise(deepcopy(model), rng))


@pytest.mark.parametrize("batch_size", [4, 64])
@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize("partition", ["iid", "dirichlet", "shards"])
def test_a_round_equals_the_loops(partition: str, momentum: float, batch_size: int) -> None:
    plan = replace(
        SMALL, partition=partition, momentum=momentum, batch_size=batch_size, alpha=0.1, epochs=3
    )
    ours, records, simulation = run(plan)
    loops, expected, _ = run(replace(plan, local="loop"))
    assert simulation.local == "cohort"
    assert simulation.doubts() == []
    assert np.abs(ours - loops).max() < 1e-5
    initial = Simulation(plan, DIGITS).model.vector()
    assert np.abs(ours - initial).max() > 1e-2
    for mine, its in zip(records[0].nodes, expected[0].nodes, strict=True):
        assert (mine.node, mine.samples, mine.status) == (its.node, its.samples, "trained")
        assert mine.train_loss == pytest.approx(its.train_loss, abs=1e-4)
        assert mine.train_accuracy == its.train_accuracy
        assert mine.payload_up_bytes == its.payload_up_bytes


def test_every_nodes_own_model_equals_the_loops() -> None:
    """One node a round: the mean hides nothing."""
    for seed in range(3):
        plan = replace(SMALL, fraction=0.05, seed=seed)
        assert np.abs(run(plan)[0] - run(replace(plan, local="loop"))[0]).max() < 1e-5


def test_two_runs_with_one_seed_end_with_the_same_bits() -> None:
    plan = replace(SMALL, rounds=3)
    assert np.array_equal(run(plan)[0], run(plan)[0])
    assert not np.array_equal(run(plan)[0], run(replace(plan, seed=1))[0])


@pytest.mark.parametrize(
    "layers",
    [
        (nn.Linear(64, 16), nn.Tanh(), nn.Linear(16, 10, bias=False)),
        (nn.Linear(64, 16), nn.LayerNorm(16), nn.ReLU(), nn.Linear(16, 10)),
        (
            nn.Unflatten(1, (1, 8, 8)),
            nn.Conv2d(1, 2, 3),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(72, 10),
        ),
        (nn.Sequential(nn.Linear(64, 16), nn.ReLU()), nn.Linear(16, 10)),
    ],
    ids=["dense", "layer norm", "convolution", "nested"],
)
def test_other_models_equal_the_loops_too(layers: tuple[nn.Module, ...]) -> None:
    ours, _, simulation = run(SMALL, built(*layers))
    assert simulation.local == "cohort"
    assert np.abs(ours - run(replace(SMALL, local="loop"), built(*layers))[0]).max() < 1e-5


def test_a_layer_used_twice_is_used_twice() -> None:
    twice = nn.ReLU()
    layers = (nn.Linear(64, 16), twice, nn.Linear(16, 16), twice, nn.Linear(16, 10))
    ours, _, simulation = run(SMALL, built(*layers))
    assert simulation.local == "cohort"
    assert np.abs(ours - run(replace(SMALL, local="loop"), built(*layers))[0]).max() < 1e-5


def test_a_bounded_memory_changes_no_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = run(SMALL)[0]
    monkeypatch.setattr(cohort_module, "MOST_KEPT_BYTES", 0)
    assert np.array_equal(run(SMALL)[0], whole)
    monkeypatch.setattr(cohort_module, "MOST_CHUNK_BYTES", 300_000)
    assert np.abs(run(SMALL)[0] - whole).max() < 1e-6


def test_what_one_node_took_is_absent() -> None:
    kept = Kept()
    train(SMALL, kept, run_id="r-1")
    batch = kept.batches[1]
    names = {sample.name for sample in samples_of(batch.samples)}
    assert "fl_client_train_loss" in names
    unknown = {"train_seconds", "cpu_seconds", "queued_seconds"}
    assert names & {f"fl_client_{name}" for name in unknown} == set()
    assert {span.phase for span in batch.spans} == {"aggregate", "evaluate"}


class Adaptive(Classification):
    """Its `train` is not what its `score` says."""

    def train(self, model, data, recipe, rng):  # type: ignore[no-untyped-def]
        return super().train(model, data, replace(recipe, lr=recipe.lr / 2), rng)


class Silent(nn.Module):
    """A layer whose samples see each other, by no name that is known."""

    def forward(self, values: Tensor) -> Tensor:
        return values - values.mean(dim=0)


class Noisy(nn.Module):
    """A layer that draws, by no name that is known."""

    def forward(self, values: Tensor) -> Tensor:
        return values + torch.rand_like(values)


LAST = nn.Linear(16, 10)


@pytest.mark.parametrize(
    ("task", "reason"),
    [
        (built(nn.Linear(64, 16), nn.BatchNorm1d(16), LAST), "BatchNorm1d samples of a batch"),
        (built(nn.Linear(64, 16), nn.Dropout(0.1), LAST), "draws random numbers (Dropout)"),
        (built(nn.Linear(64, 16), Noisy(), LAST), "random"),
        (built(nn.Linear(64, 16), Silent(), LAST), "different models"),
        (
            built(nn.Linear(64, 16), nn.Linear(16, 10).requires_grad_(False)),
            "1.weight is not trained",
        ),
        (Adaptive(DIGITS.load, DIGITS.build), "different models"),
    ],
    ids=["batch norm", "dropout", "noise", "samples mixed", "frozen", "another train"],
)
def test_what_does_not_fit_is_trained_by_the_loop_and_says_why(
    task: Classification, reason: str
) -> None:
    simulation = Simulation(SMALL, task)
    assert simulation.local == "loop"
    (doubt,) = simulation.doubts()
    assert "not as a cohort" in doubt
    assert reason in doubt
    assert simulation.doubts() == []


def test_a_model_with_a_buffer_or_two_dtypes_does_not_fit() -> None:
    buffered = nn.Linear(64, 10)
    buffered.register_buffer("seen", torch.zeros(1))
    mixed = nn.Linear(64, 10)
    mixed.bias = nn.Parameter(mixed.bias.detach().double())
    for model, reason in ((buffered, "buffers (0.seen)"), (mixed, "2 dtypes")):
        (doubt,) = Simulation(SMALL, built(model)).doubts()
        assert reason in doubt


def test_a_fall_back_is_journaled_and_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules[__name__], "TASK", Toy())
    kept, told = Kept(), list[str]()
    plan = Plan(task=f"{__name__}:TASK", nodes=3, rounds=2, local="cohort")
    train(plan, kept, run_id="r-1", steering=Steering(on_doubt=told.append))
    events = [event for batch in kept.batches for event in batch.events]
    (event,) = [event for event in events if event.kind == "LOCAL_TRAINING"]
    message = "nodes train one after the other, not as a cohort: the task has no methods"
    assert event.details["message"].startswith(message)
    assert (event.details["asked"], event.details["used"]) == ("cohort", "loop")
    assert told == [event.details["message"]]


def test_a_fall_back_ends_with_the_loops_bits() -> None:
    def dropping() -> Classification:
        return built(nn.Linear(64, 16), nn.BatchNorm1d(16), nn.Linear(16, 10))

    ours, records, _ = run(SMALL, dropping())
    assert np.array_equal(ours, run(replace(SMALL, local="loop"), dropping())[0])
    trained = [node for node in records[0].nodes if node.status == "trained"]
    assert trained
    assert all(node.train_seconds is not None for node in trained)


def test_convolutions_are_trained_with_a_warning() -> None:
    task = built(nn.Unflatten(1, (1, 8, 8)), nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(72, 10))
    simulation = Simulation(SMALL, task)
    (doubt,) = simulation.doubts()
    assert simulation.local == "cohort"
    assert "convolutions" in doubt


@dataclass
class Spoilt(Classification):
    """Digits; one node's data is spoilt, in one of several ways."""

    fault: str = "nan"
    node: int = 2

    def data(self, partition: Partition) -> Labelled:
        found = super().data(partition)
        if partition.index != self.node:
            return found
        if self.fault == "unreadable":
            raise OSError("bad disk")
        if self.fault == "labels":
            return Labelled(found.inputs, found.labels + 1000)
        return Labelled(found.inputs * torch.nan, found.labels)


EVERY = replace(SMALL, nodes=8, fraction=1.0)


def spoilt(fault: str) -> Spoilt:
    return Spoilt(DIGITS.load, DIGITS.build, fault=fault)


def test_nan_of_one_node_reaches_no_other_and_is_not_averaged_in() -> None:
    ours, records, simulation = run(EVERY, spoilt("nan"))
    assert simulation.local == "cohort"
    statuses = [node.status for node in records[0].nodes]
    assert statuses == ["trained"] * 2 + ["rejected"] + ["trained"] * 5
    loops, _, _ = run(replace(EVERY, local="loop"), spoilt("nan"))
    assert np.abs(ours - loops).max() < 1e-5


def test_a_node_whose_data_cannot_be_loaded_fails_alone() -> None:
    for local in ("cohort", "loop"):
        _, records, simulation = run(replace(EVERY, local=local), spoilt("unreadable"))
        assert simulation.local == local
        failed = [node for node in records[0].nodes if node.status != "trained"]
        assert [node.node for node in failed] == ["client-2"]
        assert "bad disk" in (failed[0].reason or "")
        assert (records[0].nodes[0].turn is None) == (local == "cohort")


def test_where_one_node_breaks_the_cohort_each_trains_by_itself_and_it_is_said() -> None:
    task = spoilt("labels")
    ours, records, simulation = run(EVERY, task)
    assert [node.node for node in records[0].nodes if node.status == "failed"] == ["client-2"]
    assert records[0].nodes[0].train_seconds is not None
    (doubt,) = simulation.doubts()
    assert doubt.startswith("round 1: 8 nodes trained one by one: IndexError: ")
    assert np.array_equal(ours, run(replace(EVERY, local="loop"), task)[0])


def test_a_built_in_task_may_be_warned_of_but_trains() -> None:
    plan = replace(SMALL, task="mnist", nodes=100, fraction=0.03, epochs=1)
    ours, _, simulation = run(plan, load("mnist"))
    assert simulation.local == "cohort"
    assert np.abs(ours - run(replace(plan, local="loop"), load("mnist"))[0]).max() < 1e-5
