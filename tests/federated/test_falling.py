"""A client attacks, its trust falls below the minimum in round 5, and from round 6 on it is out.

On each engine, by the default set with a bound on the norm of updates: what is told of it, and that
the model is that of the others, to the bit.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from fedsight.federated.governing import governing
from fedsight.federated.link.address import Address
from fedsight.federated.link.caller import Place
from fedsight.federated.link.launch import launched
from fedsight.federated.link.linked import Linked
from fedsight.federated.plan import Plan
from fedsight.federated.refusals import REFUSALS
from fedsight.federated.runs.checkpoint import Checkpoint, Checkpoints, Resumption
from fedsight.federated.runs.outcome import Outcome
from fedsight.federated.training import Steering, train
from fedsight.policy.audit import PublicKey, verify, witness
from fedsight.policy.audit.exporting import records
from fedsight.policy.files import init
from fedsight.signals import Batch, Event, Sample, samples_of
from tests.federated.attacking import ATTACKING
from tests.federated.faults.ground import settings

ROUNDS, FALLS, NORM = 9, 5, 20.0
EVERYBODY, OTHERS = {"client-0", "client-1", "client-2"}, {"client-0", "client-1"}
LOW = "its trust is below the federation's minimum"
LARGE = "the update's norm is above the federation's bound, or was not measured"


class Notes:
    """A journal in memory."""

    def __init__(self) -> None:
        self.batches: list[Batch] = []

    def append(self, batch: Batch) -> int:
        self.batches.append(batch)
        return len(self.batches)

    def events(self, *kinds: str) -> list[Event]:
        return [one for batch in self.batches for one in batch.events if one.kind in kinds]

    def samples(self, name: str) -> list[Sample]:
        found = [one for batch in self.batches for one in samples_of(batch.samples)]
        return [one for one in found if one.name == name]


@dataclass
class Ground:
    """A governed run, and one of the others alone from its checkpoint after the first round."""

    folder: Path
    link: Linked | None = None

    def __post_init__(self) -> None:
        self.notes = Notes()
        self.checkpoints = Checkpoints(self.folder / "checkpoints")
        self.first: Checkpoint | None = None
        rules = self.folder / "policy"
        init(rules)
        numbers = rules / "federation.toml"
        numbers.write_text(numbers.read_text() + f"max_update_norm = {NORM}\n")

    def run(self, **keys: Any) -> Outcome:
        """Train governed; the checkpoint of the first round is remembered."""
        engine = "simulation" if self.link is None else "deployment"
        shape = {"task": ATTACKING, "engine": engine, "nodes": 3, "partition": "iid", "epochs": 1}
        self.plan = Plan.of({**shape, "rounds": ROUNDS, **keys})

        def on_round(_: object) -> None:
            if self.first is None:
                self.first = self.checkpoints.read("r-1")

        with governing(self.folder / "policy", self.folder, self.notes) as govern:
            return train(
                self.plan,
                self.notes,
                run_id="r-1",
                steering=Steering(govern=govern, on_round=on_round),
                checkpoints=self.checkpoints,
                link=self.link,
            )

    def others_alone(self) -> Outcome:
        """The same run without policy, from the first round on with those that are honest."""
        assert self.first is not None
        selection = replace(self.plan.selection, only=",".join(sorted(OTHERS)))
        plan = replace(self.plan, selection=selection)
        resume = Resumption(self.first, 1)
        link = None if self.link is None else replace(self.link, expected=len(OTHERS))
        return train(plan, Notes(), run_id="r-1", resume=resume, link=link)


def assert_fallen(ground: Ground, outcome: Outcome) -> None:
    """All that is to be told of it is told, in each place."""
    notes = ground.notes
    assert (outcome.state, outcome.rounds) == ("finished", ROUNDS)
    trust = {one.round: one.details["after"] for one in changed(notes, "client-2")}
    assert min(trust[at] for at in range(1, FALLS)) > 0.4 > trust[FALLS]
    assert max(trust) == FALLS
    assert_in_events(notes)
    assert_in_metrics(notes)
    assert_in_trail(ground)


def changed(notes: Notes, node: str) -> list[Event]:
    return [one for one in notes.events("TRUST_CHANGED") if one.node == node]


def assert_in_events(notes: Notes) -> None:
    told = [(one.round, one.node, one.details["action"]) for one in notes.events("CLIENT_REFUSED")]
    attacked = [(at, "client-2", "shareModel") for at in range(2, FALLS + 1)]
    assert told == attacked + [(at, "client-2", "train") for at in range(FALLS + 1, ROUNDS + 1)]
    last = notes.events("CLIENT_REFUSED")[-1].details
    assert (last["message"], last["rules"]) == (LOW, ["client.trust-too-low"])
    chosen = {one.round: one.details for one in notes.events("NODES_SELECTED")}
    assert [set(chosen[at]["chosen"]) for at in range(1, ROUNDS + 1)] == [EVERYBODY] * FALLS + [
        OTHERS
    ] * (ROUNDS - FALLS)
    assert chosen[FALLS + 1]["left_out"] == {"client-2": f"refused by policy: {LOW}"}
    rejected = notes.events("UPDATE_REJECTED")
    assert {one.details["message"] for one in rejected} == {f"refused by policy: {LARGE}"}


def assert_in_metrics(notes: Notes) -> None:
    counted = {(one.labels["rule"], one.round): one.value for one in notes.samples(REFUSALS)}
    assert counted == {("share.norm-too-large", at): at - 1.0 for at in range(2, FALLS + 1)} | {
        ("client.trust-too-low", at): float(at - FALLS) for at in range(FALLS + 1, ROUNDS + 1)
    }
    assert {one.labels["node"] for one in notes.samples(REFUSALS)} == {"client-2"}


def assert_in_trail(ground: Ground) -> None:
    kept = [one.body for one in records(ground.folder / "audit", kind="decision")]
    low = [one["request"]["round"] for one in kept if one["rules"] == ["client.trust-too-low"]]
    assert low == list(range(FALLS + 1, ROUNDS + 1))
    assert next(one["reason"] for one in kept if not one["allowed"]) == LARGE
    key = PublicKey.read(ground.folder / "keys" / "audit.pub")
    anchors = witness.anchors(one.details for one in ground.notes.events("AUDIT_ANCHOR"))
    found = verify(ground.folder / "audit", key, anchors)
    assert found.ok
    assert found.anchored == found.last


def assert_same(one: Outcome, other: Outcome) -> None:
    assert one.accuracy is not None
    assert one.accuracy > 0.8
    assert (one.accuracy, one.loss) == (other.accuracy, other.loss)
    assert one.model_sha256 == other.model_sha256


def test_simulated_it_is_out_and_the_model_is_that_of_the_others(tmp_path: Path) -> None:
    ground = Ground(tmp_path)
    outcome = ground.run()
    assert_fallen(ground, outcome)
    assert_same(outcome, ground.others_alone())


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_deployed_it_is_out_and_the_model_is_that_of_the_others(tmp_path: Path) -> None:
    with launched(settings(tmp_path), 3, task=ATTACKING) as federation:
        ground = Ground(tmp_path, Linked(Place(Address.of(federation.address)), 3))
        outcome = ground.run()
        assert_fallen(ground, outcome)
        assert_same(outcome, ground.others_alone())
