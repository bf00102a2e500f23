"""Whole runs by every algorithm, beside plain PyTorch loops that do the same."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from fedsight.federated.engines.simulated import Simulation
from fedsight.federated.flat import Vector
from fedsight.federated.node.client import stream
from fedsight.federated.plan import ALGORITHMS, AlgorithmPlan, Plan
from fedsight.federated.training import train
from fedsight.signals import Batch
from fedsight.tasks import Partition
from fedsight.tasks.digits import DIGITS

SMALL = Plan(
    task="digits", nodes=4, rounds=3, epochs=2, partition="shards", momentum=0.0, batch_size=64
)


class Kept:
    """A recorder in memory."""

    def __init__(self) -> None:
        self.batches: list[Batch] = []

    def append(self, batch: Batch) -> int:
        self.batches.append(batch)
        return len(self.batches)


def by(name: str, **constants: float) -> Plan:
    return replace(SMALL, algorithm=AlgorithmPlan(name, **constants))  # type: ignore[arg-type]


def run(plan: Plan) -> Vector:
    return Simulation(plan, DIGITS).run(lambda _: None, "r-1")


@pytest.mark.parametrize("name", ALGORITHMS)
def test_it_learns_and_two_runs_end_with_the_same_bits(name: str) -> None:
    plan = replace(by(name), rounds=8, partition="iid", lr=0.2)
    first, second = (train(plan, Kept(), run_id="r-1") for _ in range(2))
    assert first.state == "finished"
    assert first.model_sha256 == second.model_sha256
    assert first.accuracy is not None
    assert first.accuracy > 0.5


def test_every_algorithm_makes_another_model() -> None:
    found = {run(by(name, mu=1.0)).tobytes() for name in ALGORITHMS}
    assert len(found) == len(ALGORITHMS)


def test_fedprox_with_a_mu_of_0_is_fedavg() -> None:
    assert np.array_equal(run(by("fedprox", mu=0.0)), run(by("fedavg")))


class Node:
    """What a node does by itself: batches as the task draws them, and SGD by hand."""

    def __init__(self, plan: Plan, index: int) -> None:
        self._plan = plan
        self._index = index
        part = Partition(index, plan.nodes, "shards", plan.alpha, plan.seed)
        self.data = DIGITS.data(part)
        self._model = DIGITS.model(0)

    def train(self, start: torch.Tensor, round: int, mu: float, added: torch.Tensor) -> int:
        """SGD on the loss with the proximal term, and `added` to its gradient; the steps taken."""
        plan = self._plan
        parameters = list(self._model.parameters())
        torch.nn.utils.vector_to_parameters(start.clone(), parameters)
        rng = torch.Generator().manual_seed(stream(plan.seed, 1, self._index, round))
        steps = 0
        for _ in range(plan.epochs):
            order = torch.randperm(len(self.data), generator=rng)
            for batch in order.split(plan.batch_size):
                scores = self._model(self.data.inputs[batch])
                loss = cross_entropy(scores, self.data.labels[batch])
                now = torch.nn.utils.parameters_to_vector(parameters)
                loss = loss + mu / 2 * (now - start).square().sum()
                gradients = torch.autograd.grad(loss, parameters)
                slope = torch.cat([one.reshape(-1) for one in gradients]) + added
                moved = now.detach() - plan.lr * slope
                torch.nn.utils.vector_to_parameters(moved, parameters)
                steps += 1
        return steps

    @property
    def vector(self) -> torch.Tensor:
        return torch.nn.utils.parameters_to_vector(self._model.parameters()).detach().clone()


def initial(plan: Plan) -> torch.Tensor:
    model = DIGITS.model(stream(plan.seed, 0) >> 1)
    return torch.nn.utils.parameters_to_vector(model.parameters()).detach()


def test_fedprox_trains_what_a_loop_with_the_term_in_its_loss_does() -> None:
    plan, mu = by("fedprox", mu=0.5), 0.5
    nodes, x = [Node(plan, at) for at in range(plan.nodes)], initial(plan)
    for round in range(1, plan.rounds + 1):
        for node in nodes:
            node.train(x, round, mu, torch.zeros_like(x))
        samples = [len(node.data) for node in nodes]
        pairs = zip(nodes, samples, strict=True)
        x = sum((node.vector * n for node, n in pairs), torch.zeros_like(x)) / sum(samples)
    assert np.abs(run(plan) - x.numpy()).max() < 1e-5
    assert np.abs(run(plan) - run(by("fedavg"))).max() > 1e-3


def test_scaffold_trains_what_the_papers_algorithm_does() -> None:
    plan = replace(by("scaffold"), algorithm=AlgorithmPlan("scaffold", weighting="uniform"))
    nodes, x = [Node(plan, at) for at in range(plan.nodes)], initial(plan)
    c, controls = torch.zeros_like(x), [torch.zeros_like(x) for _ in nodes]
    for round in range(1, plan.rounds + 1):
        changes = []
        for at, node in enumerate(nodes):
            steps = node.train(x, round, 0.0, c - controls[at])
            plus = controls[at] - c + (x - node.vector) / (steps * plan.lr)
            changes.append(plus - controls[at])
            controls[at] = plus
        x = torch.stack([node.vector for node in nodes]).mean(0)
        c = c + torch.stack(changes).mean(0)
    assert np.abs(run(plan) - x.numpy()).max() < 1e-5
    assert np.abs(run(plan) - run(by("fedavg"))).max() > 1e-3


@pytest.mark.parametrize("name", ["fedprox", "scaffold"])
def test_a_cohort_falls_back_to_the_loop_and_says_why(name: str) -> None:
    simulation = Simulation(replace(by(name), local="cohort"), DIGITS)
    assert simulation.local == "loop"
    (doubt,) = simulation.doubts()
    assert doubt == (
        "nodes train one after the other, not as a cohort:"
        f" {name}: the algorithm adds to each node's gradients"
    )
    ours = simulation.run(lambda _: None, "r-1")
    assert np.array_equal(ours, run(by(name)))


def test_a_cohort_still_trains_for_algorithms_of_the_server_alone() -> None:
    plan = replace(by("fedyogi"), local="cohort")
    simulation = Simulation(plan, DIGITS)
    ours = simulation.run(lambda _: None, "r-1")
    assert simulation.local == "cohort"
    assert np.abs(ours - run(by("fedyogi"))).max() < 1e-3


def test_half_of_the_nodes_a_round_and_momentum_keep_scaffold_stable() -> None:
    plan = replace(by("scaffold"), nodes=10, fraction=0.5, rounds=20, momentum=0.9, lr=0.02)
    outcome = train(plan, Kept(), run_id="r-1")
    assert outcome.accuracy is not None
    assert outcome.accuracy > 0.6


def test_a_run_of_scaffold_counts_both_vectors_on_the_way_down() -> None:
    records = []  # type: ignore[var-annotated]
    for name in ("fedavg", "scaffold"):
        Simulation(by(name), DIGITS).run(records.append, "r-1")
    plain, scaffold = records[0].nodes[0], records[-1].nodes[0]
    assert scaffold.payload_down_bytes == 2 * plain.payload_down_bytes
    assert scaffold.payload_up_bytes == plain.payload_up_bytes
