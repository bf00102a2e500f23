"""Whole governed runs, in this process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fedsight.federated.governing import governing
from fedsight.federated.plan import Plan, RoundPlan
from fedsight.federated.training import Outcome, Steering, train
from fedsight.policy.audit import Anchor, PublicKey, verify, witness
from fedsight.policy.audit.exporting import records
from fedsight.policy.files import init, read
from fedsight.policy.trust import TrustRule
from fedsight.signals import Batch, Event
from tests.federated.toy import Toy


class Notes:
    """A journal that keeps what it is told."""

    def __init__(self) -> None:
        self.batches: list[Batch] = []

    def append(self, batch: Batch) -> int:
        self.batches.append(batch)
        return len(self.batches)

    def events(self, *kinds: str) -> list[Event]:
        return [one for batch in self.batches for one in batch.events if one.kind in kinds]


def governed(folder: Path, limits: dict[str, str], notes: Notes, **plan: Any) -> Outcome:
    rules = folder / "policy"
    if not rules.exists():
        init(rules)
    numbers = rules / "federation.toml"
    for key, value in limits.items():
        lines = numbers.read_text().splitlines()
        kept = [line for line in lines if not line.startswith(f"{key} = ")]
        numbers.write_text("\n".join([*kept, f"{key} = {value}"]))
    whole = Plan(task=plan.pop("task"), **{"nodes": 3, "rounds": 6, "partition": "iid", **plan})
    with governing(rules, folder, notes, trust=TrustRule(initial=0.9)) as govern:
        return train(whole, notes, run_id="r-1", steering=Steering(govern=govern))


def test_a_governed_run_is_recorded_anchored_and_right(tmp_path: Path) -> None:
    notes = Notes()
    outcome = governed(tmp_path, {}, notes, task="digits")
    assert (outcome.state, outcome.rounds) == ("finished", 6)
    kept = [one.body["request"] for one in records(tmp_path / "audit", kind="decision")]
    counts = {action: sum(one["action"] == action for one in kept) for action in ("train",)}
    assert counts == {"train": 18}
    assert {one["run"] for one in kept} == {"r-1"}
    (by,) = notes.events("RUN_GOVERNED")
    assert (by.run, by.round) == ("r-1", 1)
    rules = read(tmp_path / "policy")
    told = {"version": rules.version, "set_sha256": rules.digest, "observed": False}
    assert by.details == told
    anchors = witness.anchors(one.details for one in notes.events("AUDIT_ANCHOR"))
    assert isinstance(anchors[-1], Anchor)
    found = verify(tmp_path / "audit", PublicKey.read(tmp_path / "keys" / "audit.pub"), anchors)
    assert found.ok
    assert found.anchored == found.last
    assert {one.node for one in notes.events("TRUST_CHANGED")} == {
        "client-0",
        "client-1",
        "client-2",
    }
    assert (tmp_path / "trust.sqlite3").exists()


def test_a_governed_run_that_policy_stops_is_stopped_and_says_why(tmp_path: Path) -> None:
    notes = Notes()
    outcome = governed(tmp_path, {"max_rounds": "5"}, notes, task="digits")
    assert outcome.state == "stopped"
    assert "the run is longer than the federation allows" in (outcome.reason or "")
    assert [one.kind for one in notes.events("ROUND_POLICY_DENIED")] == ["ROUND_POLICY_DENIED"]


def test_who_is_refused_is_left_out_with_the_reason(tmp_path: Path) -> None:
    notes = Notes()
    init(tmp_path / "policy")
    numbers = tmp_path / "policy" / "federation.toml"
    members = numbers.read_text().replace('["*"]', '["client-0", "client-2"]')
    numbers.write_text(members)
    outcome = governed(tmp_path, {}, notes, task="digits")
    assert outcome.state == "finished"
    chosen = notes.events("NODES_SELECTED")[0].details
    assert set(chosen["chosen"]) == {"client-0", "client-2"}
    assert chosen["left_out"]["client-1"] == ("refused by policy: not a member of the federation")
    assert [one.node for one in notes.events("CLIENT_REFUSED")] == ["client-1"] * 6


def test_an_asynchronous_run_is_governed(tmp_path: Path) -> None:
    notes = Notes()
    init(tmp_path / "policy")
    numbers = tmp_path / "policy" / "federation.toml"
    numbers.write_text(numbers.read_text().replace('["*"]', '["client-0", "client-2"]'))
    closing = RoundPlan(mode="async", buffer=1)
    outcome = governed(tmp_path, {}, notes, task="digits", closing=closing)
    assert (outcome.state, outcome.rounds) == ("finished", 6)
    assert {one.node for one in notes.events("CLIENT_REFUSED")} == {"client-1"}
    kept = [one.body["request"] for one in records(tmp_path / "audit", kind="decision")]
    shared = [one["principal"]["id"] for one in kept if one["action"] == "shareModel"]
    assert len(shared) == 6
    assert set(shared) == {"client-0", "client-2"}


def test_a_wrong_set_starts_nothing(tmp_path: Path) -> None:
    with (
        pytest.raises(Exception, match="is missing from the"),
        governing(tmp_path, tmp_path, Notes()),
    ):
        pass


class FailsLate(Toy):
    """The toy task, whose third node fails from its fifth round on."""

    def __init__(self) -> None:
        super().__init__()
        self.turns = 0

    def train(self, model: Any, data: Any, recipe: Any, rng: Any) -> Any:
        if len(data) == 3:
            self.turns += 1
            if self.turns >= 5:
                raise RuntimeError("out of order")
        return super().train(model, data, recipe, rng)


def test_a_client_whose_trust_falls_in_round_5_takes_no_part_from_round_6_on(
    tmp_path: Path,
) -> None:
    notes = Notes()
    # A score of 0.9 at first; four good rounds make it more, one failure in the fifth 0.85.
    outcome = governed(
        tmp_path, {"min_trust": "0.89"}, notes, task=f"{__name__}:FailsLate", rounds=9
    )
    assert outcome.state == "finished"
    fell = [one for one in notes.events("TRUST_CHANGED") if one.details["weight"] < 0]
    assert [(one.round, one.node, one.details["cause"]) for one in fell] == [
        (5, "client-2", "failed")
    ]
    refused = [(one.round, one.node) for one in notes.events("CLIENT_REFUSED")]
    assert refused == [(round_, "client-2") for round_ in range(6, 10)]
    chosen = {one.round: one.details for one in notes.events("NODES_SELECTED")}
    assert set(chosen[5]["chosen"]) == {"client-0", "client-1", "client-2"}
    assert set(chosen[6]["chosen"]) == {"client-0", "client-1"}
    why = "refused by policy: its trust is below the federation's minimum"
    assert chosen[6]["left_out"] == {"client-2": why}
    kept = [one.body for one in records(tmp_path / "audit", kind="decision")]
    low = [one for one in kept if one["rules"] == ["client.trust-too-low"]]
    assert [one["request"]["round"] for one in low] == [6, 7, 8, 9]
