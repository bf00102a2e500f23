from __future__ import annotations

import sys
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from fedsight.errors import FedsightError, UsageError
from fedsight.federated.engines.simulated import Simulation
from fedsight.federated.node.client import stream
from fedsight.federated.observation import RoundRecord
from fedsight.federated.plan import Plan, RoundPlan
from fedsight.federated.rounds.scripted import ScriptedGrid
from fedsight.federated.selection import random_fraction
from fedsight.federated.training import Outcome, RoundReport, Steering, new_run_id, train
from fedsight.journal import Journal
from fedsight.signals import Batch, samples_of
from fedsight.tasks import Partition, Recipe, load
from tests.federated.rounds import script
from tests.federated.toy import Toy

SMALL = Plan(task="digits", nodes=5, rounds=3, fraction=0.6, epochs=1)

#: The toy task of the test at hand, where `load` finds it by name.
TOY = Toy()


class Told(ScriptedGrid):
    """A grid that is told how its Flower run ended."""

    def close(self, ending: str = "completed", details: str = "") -> None:
        self.ended = (ending, details)


@dataclass
class Way:
    """A way to nodes that answer by a script."""

    grid: Told
    expected: int = 0

    def connect(self, *_: object) -> AbstractContextManager[Told]:
        return nullcontext(self.grid)


class Kept:
    """A recorder in memory."""

    def __init__(self) -> None:
        self.batches: list[Batch] = []

    def append(self, batch: Batch) -> int:
        self.batches.append(batch)
        return len(self.batches)

    def kinds(self) -> list[str]:
        return [event.kind for batch in self.batches for event in batch.events]


@pytest.fixture
def misbehaving(monkeypatch: pytest.MonkeyPatch) -> Toy:
    """A toy task that can be named on the command line, with no fault yet."""
    toy = Toy(misbehave={})
    monkeypatch.setattr(sys.modules[__name__], "TOY", toy)
    return toy


def run_toy(toy: Toy, rounds: int = 2, nodes: int = 3) -> tuple[Outcome, Kept, list[RoundReport]]:
    kept, reports = Kept(), list[RoundReport]()
    plan = Plan(task=f"{__name__}:TOY", nodes=nodes, rounds=rounds)
    return (
        train(plan, kept, run_id="r-toy", steering=Steering(on_round=reports.append)),
        kept,
        reports,
    )


def plain_loop(plan: Plan) -> torch.Tensor:
    """Federated averaging in a few lines of PyTorch, without any framework."""
    task = load(plan.task)
    recipe = Recipe(plan.epochs, plan.lr, plan.momentum, plan.batch_size)
    model = task.model(stream(plan.seed, 0) >> 1)
    weights = {name: value.clone() for name, value in model.state_dict().items()}
    choose, rng = random_fraction(plan.fraction, plan.seed), torch.Generator()
    for round_ in range(1, plan.rounds + 1):
        total = {name: torch.zeros_like(value) for name, value in weights.items()}
        samples = 0
        for node in choose(round_, range(plan.nodes)):
            part = Partition(node, plan.nodes, "dirichlet", plan.alpha, plan.seed)
            data = task.data(part)
            model.load_state_dict(weights)
            rng.manual_seed(stream(plan.seed, 1, node, round_))
            task.train(model, data, recipe, rng)
            for name, value in model.state_dict().items():
                total[name] += value * len(data)
            samples += len(data)
        weights = {name: value / samples for name, value in total.items()}
    return torch.cat([value.reshape(-1) for value in weights.values()])


def test_flower_is_told_that_a_run_failed() -> None:
    grid = Told([script.node(1), script.node(2)], script.failing({1, 2}))
    plan = Plan(task="digits", nodes=2, rounds=1, engine="deployment")
    outcome = train(plan, Kept(), run_id="r-1", link=Way(grid))
    assert outcome.state == "failed"
    assert grid.ended == ("failed", outcome.reason)


def test_flower_is_told_that_a_run_was_stopped() -> None:
    grid, steering = Told([script.node(1)], script.add_id), Steering()
    steering.control.stop("enough")
    plan = Plan(task="digits", nodes=1, rounds=1, engine="deployment")
    train(plan, Kept(), run_id="r-1", link=Way(grid), steering=steering)
    assert grid.ended == ("stopped", "enough")


@pytest.mark.parametrize(("fraction", "trained"), [(1.0, 5), (0.8, 4), (0.2, 1)])
def test_a_round_that_asks_more_nodes_than_wanted_takes_as_many_answers_as_were_wanted(
    fraction: float, trained: int
) -> None:
    rule = RoundPlan(over_select=0.3)
    plan = Plan(task="digits", nodes=5, rounds=1, epochs=1, fraction=fraction, closing=rule)
    records = list[RoundRecord]()
    Simulation(plan, load(plan.task)).run(records.append, "r-1")
    assert [len(record.trained) for record in records] == [trained]


def test_two_runs_with_one_seed_end_with_the_same_bits() -> None:
    first, second, other = (
        train(plan, Kept(), run_id="r-1") for plan in (SMALL, SMALL, replace(SMALL, seed=1))
    )
    assert first.state == "finished"
    assert first.model_sha256 == second.model_sha256
    assert first.model_sha256 != other.model_sha256


@pytest.mark.parametrize("task", ["digits", "mnist"])
def test_the_flat_loop_gives_the_bits_of_a_plain_pytorch_loop(task: str) -> None:
    plan = Plan(task=task, nodes=20, rounds=2, fraction=0.2, epochs=1)
    ours = Simulation(plan, load(task)).run(lambda _: None, "r-1")
    assert np.array_equal(ours, plain_loop(plan).numpy())


def test_training_learns() -> None:
    outcome = train(Plan(task="digits", nodes=10, rounds=10), Kept(), run_id="r-1")
    assert outcome.accuracy is not None
    assert outcome.accuracy > 0.9


def test_a_run_is_journaled_one_record_a_round(tmp_path: Path) -> None:
    run_id = new_run_id()
    journal = Journal(tmp_path, run_id)
    outcome = train(SMALL, journal, run_id=run_id)
    batches = [record.batch for record in journal.read(0, 100)]
    journal.close()
    kinds = [[event.kind for event in batch.events] for batch in batches]
    each = ["NODES_SELECTED", "ROUND_STARTED", "ROUND_COMPLETED"]
    assert kinds == [["RUN_STARTED"], each, each, each, ["RUN_ENDED"]]
    opening = batches[0].events[0].details
    assert opening["nodes"] == [f"client-{at}" for at in range(5)]
    assert opening["model_parameters"] == 2410
    assert batches[-1].events[0].details == {
        "state": "finished",
        "reason": None,
        "model_sha256": outcome.model_sha256,
    }
    figures = {(s.name, s.labels.get("node")): s for s in samples_of(batches[2].samples)}
    assert figures["fl_round_participants", None].value == 3
    trained = {node for name, node in figures if name == "fl_client_train_seconds"}
    assert trained == set(batches[2].events[1].details["selected"])
    assert trained == set(batches[2].events[0].details["chosen"])
    assert not any("upload_seconds" in name or "memory" in name for name, _ in figures)


def test_reports_and_outcome_tell_what_was_measured() -> None:
    reports: list[RoundReport] = []
    outcome = train(SMALL, Kept(), run_id="r-1", steering=Steering(on_round=reports.append))
    assert [report.round for report in reports] == [1, 2, 3]
    assert {report.selected for report in reports} == {3}
    payload = 2410 * 4 + 128
    assert {report.payload_bytes for report in reports} == {2 * 3 * payload}
    assert outcome.bytes_up == outcome.bytes_down == 3 * 3 * payload
    assert (outcome.loss, outcome.accuracy) == (reports[-1].loss, reports[-1].accuracy)


def test_a_node_that_raises_does_not_stop_the_run(misbehaving: Toy) -> None:
    misbehaving.misbehave = {1: RuntimeError("no memory left")}
    outcome, kept, reports = run_toy(misbehaving)
    assert (outcome.state, outcome.rounds) == ("finished", 2)
    (failure,) = reports[0].failures
    assert failure.startswith("client-1: RuntimeError: no memory left (toy.py:")
    assert reports[0].participants == 2
    assert kept.kinds().count("CLIENT_FAILED") == 2


def test_nan_from_a_node_is_flagged_and_not_averaged_in(misbehaving: Toy) -> None:
    misbehaving.misbehave = {2: float("nan")}
    outcome, kept, reports = run_toy(misbehaving)
    assert outcome.loss == pytest.approx(2 * 2 * (1 + 4) / 3)
    assert reports[0].failures == ("client-2: update holds 2 NaN and 0 infinite values of 2",)
    assert kept.kinds().count("UPDATE_REJECTED") == 2


def test_a_run_whose_nodes_all_fail_three_rounds_running_has_failed(misbehaving: Toy) -> None:
    misbehaving.misbehave = dict.fromkeys(range(3), ValueError("bad disk"))
    outcome, kept, _ = run_toy(misbehaving, rounds=10)
    assert (outcome.state, outcome.rounds) == ("failed", 3)
    assert outcome.reason is not None
    assert "no node returned a usable update in 3 rounds" in outcome.reason
    assert "bad disk" in outcome.reason
    assert kept.kinds()[-2:] == ["ROUND_FAILED", "RUN_ENDED"]


def test_ctrl_c_ends_the_run_cleanly_as_interrupted(misbehaving: Toy) -> None:
    misbehaving.misbehave = {1: KeyboardInterrupt()}
    outcome, kept, reports = run_toy(misbehaving)
    assert outcome.state == "interrupted"
    assert reports == []
    assert kept.kinds() == ["RUN_STARTED", "RUN_ENDED"]
    assert kept.batches[-1].events[0].details["state"] == "interrupted"


def test_an_error_of_the_servers_evaluation_is_journaled_before_it_is_raised(
    misbehaving: Toy,
) -> None:
    misbehaving.evaluate = lambda model, data: {"loss": 1 / 0}  # type: ignore[method-assign]
    kept = Kept()
    with pytest.raises(FedsightError, match="ZeroDivisionError"):
        train(Plan(task=f"{__name__}:TOY", nodes=2), kept, run_id="r-toy")
    details = kept.batches[-1].events[0].details
    assert details["state"] == "failed"
    assert details["reason"].startswith("ZeroDivisionError: division by zero (test_training.py:")


def test_a_task_that_exits_ends_the_run_as_failed(misbehaving: Toy) -> None:
    misbehaving.evaluate = lambda model, data: sys.exit("enough")  # type: ignore[method-assign]
    kept = Kept()
    with pytest.raises(FedsightError, match="SystemExit"):
        train(Plan(task=f"{__name__}:TOY", nodes=2), kept, run_id="r-toy")
    assert kept.batches[-1].events[0].details["state"] == "failed"


def test_more_nodes_than_samples_is_refused_before_anything_is_journaled() -> None:
    kept = Kept()
    with pytest.raises(UsageError, match="1438 nodes are more than the 1437 samples"):
        train(Plan(task="digits", nodes=1438), kept, run_id="r-1")
    assert kept.batches == []


def test_run_ids_differ() -> None:
    assert len({new_run_id() for _ in range(1000)}) == 1000


def test_a_task_that_returns_no_figures_is_told_so(misbehaving: Toy) -> None:
    misbehaving.train = lambda *_: None  # type: ignore[assignment, method-assign, return-value]
    outcome, _, reports = run_toy(misbehaving, rounds=1)
    assert outcome.state == "failed"
    assert (
        "train must return its figures, such as a loss by name, got None" in reports[0].failures[0]
    )
