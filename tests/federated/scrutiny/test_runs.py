"""Runs with attackers, from the plan to what is journaled."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from fedsight.errors import UsageError
from fedsight.federated.engines.simulated import Simulation
from fedsight.federated.observation import RoundRecord, Translator
from fedsight.federated.plan import Plan, ScrutinyPlan
from fedsight.federated.runs.conductor import Conductor
from fedsight.signals import Batch, samples_of
from fedsight.tasks import Partition, Recipe

ATTACKERS = {"client-6", "client-7"}
PLAN = Plan(task="x:y", nodes=8, rounds=4, epochs=1)


class Node:
    def __init__(self, index: int) -> None:
        self.index = index

    def __len__(self) -> int:
        return 10


class Pulled:
    """A model of 60 values that every node pulls towards its own place near the same one."""

    def model(self, seed: int) -> torch.nn.Module:
        model = torch.nn.Linear(60, 1, bias=False)
        torch.nn.init.zeros_(model.weight)
        return model

    def data(self, partition: Partition) -> Node:
        return Node(partition.index)

    def held_out(self) -> None:
        return None

    def train(
        self, model: torch.nn.Module, data: Node, recipe: Recipe, rng: torch.Generator
    ) -> dict[str, float]:
        weight = next(model.parameters())
        change = torch.ones(60) + torch.randn(60, generator=rng)
        with torch.no_grad():
            weight += -change if f"client-{data.index}" in ATTACKERS else change
        return {"loss": 1.0}

    def evaluate(self, model: torch.nn.Module, data: Any) -> dict[str, float]:
        return {}


def run(plan: Plan) -> tuple[list[RoundRecord], np.ndarray]:
    records: list[RoundRecord] = []
    return records, Simulation(plan, Pulled()).run(records.append, "r-1")


def batches(records: list[RoundRecord]) -> list[Batch]:
    translator = Translator("r-1")
    return [translator.batch(record) for record in records]


def test_attackers_are_named_once_with_the_evidence() -> None:
    records, _ = run(PLAN)
    events = [event for batch in batches(records) for event in batch.events]
    named = [event for event in events if event.kind == "UPDATE_SUSPECTED"]
    assert {event.node for event in named} == ATTACKERS
    assert len(named) == len(ATTACKERS)
    details = named[0].details
    assert details["method"] == "cosine"
    assert details["score"] >= details["threshold"]
    assert details["evidence"]["cosine"] < 0
    assert details["evidence"]["rounds"] == named[0].round


def test_norms_cosines_and_scores_are_journaled_and_no_update_is() -> None:
    records, _ = run(PLAN)
    samples = samples_of(batches(records)[-1].samples)
    names = ("fl_client_update_norm", "fl_client_update_cosine", "fl_client_update_score")
    for name in names:
        assert len([one for one in samples if one.name == name]) == PLAN.nodes
    scores = {one.labels["node"]: one.value for one in samples if one.name == names[2]}
    assert (
        min(scores[node] for node in ATTACKERS)
        > 2
        > max(score for node, score in scores.items() if node not in ATTACKERS)
    )


def test_without_scrutiny_there_is_none() -> None:
    records, _ = run(replace(PLAN, scrutiny=ScrutinyPlan(scrutiny=False)))
    told = batches(records)
    assert all(node.verdict is None for record in records for node in record.nodes)
    assert not any("update_" in one.name for batch in told for one in batch.samples.series)


def test_looking_does_not_change_the_model() -> None:
    (_, seen), (_, unseen) = run(PLAN), run(replace(PLAN, scrutiny=ScrutinyPlan(scrutiny=False)))
    assert np.array_equal(seen, unseen)


def test_suspects_are_left_out_where_the_plan_says_so_and_still_looked_at() -> None:
    plan = replace(PLAN, scrutiny=ScrutinyPlan(exclude_suspects=True))
    records, _ = run(plan)
    last = {node.node: node for node in records[-1].nodes}
    assert {name for name, node in last.items() if node.status == "rejected"} == ATTACKERS
    assert all(last[name].verdict is not None for name in ATTACKERS)
    assert "suspected" in (last["client-7"].reason or "")
    assert len(records[-1].trained) == plan.nodes - len(ATTACKERS)


def test_a_run_that_goes_on_knows_whom_it_suspected() -> None:
    records: list[RoundRecord] = []
    first = Conductor(
        Simulation(replace(PLAN, rounds=2), Pulled()), "r-1", on_record=records.append
    )
    model = first.run()
    again = Conductor(Simulation(PLAN, Pulled()), "r-1", on_record=records.append)
    again.load(first.state())
    again.run(model, 3)
    rounds = [
        node.verdict.suspicion.rounds
        for node in records[-1].nodes
        if node.verdict and node.verdict.suspicion
    ]
    assert rounds == [PLAN.rounds] * PLAN.nodes


def test_excluding_needs_scrutiny() -> None:
    with pytest.raises(UsageError, match="exclude_suspects needs scrutiny"):
        ScrutinyPlan(scrutiny=False, exclude_suspects=True)
