"""`fedsight node --policy` as a process in a governed run: what it refuses, and who is told."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from fedsight.federated.governing import governing
from fedsight.federated.link.address import Address
from fedsight.federated.link.caller import Place
from fedsight.federated.link.launch import launched
from fedsight.federated.link.linked import Linked
from fedsight.federated.plan import Plan
from fedsight.federated.training import Steering, train
from fedsight.policy.audit import PublicKey, verify
from fedsight.policy.audit.exporting import records
from fedsight.policy.files import init
from tests.cli.command import fedsight, started
from tests.federated.faults.ground import settings
from tests.federated.test_falling import Notes

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


def test_a_node_refuses_what_its_own_policy_forbids_and_the_run_goes_on(tmp_path: Path) -> None:
    rules, site, notes = tmp_path / "rules", tmp_path / "site", Notes()
    init(rules, of_node=True)
    numbers = rules / "federation.toml"
    numbers.write_text(numbers.read_text() + "max_update_norm = 1000.0\n")
    init(tmp_path / "policy")
    plan = Plan.of({"task": "digits", "engine": "deployment", "nodes": 2, "rounds": 4, "epochs": 1})

    def on_round(report: object) -> None:
        if len(notes.events("ROUND_COMPLETED")) == 2:
            text = numbers.read_text().replace(
                "max_update_norm = 1000.0", "max_update_norm = 0.001"
            )
            numbers.write_text(text)

    with launched(settings(tmp_path), 1, task="digits") as federation:
        address = federation.address
        part = ("--partition", "1", "--of", "2", "--policy", str(rules))
        node = started(site, "node", "--superlink", address, "--name", "site-b", *part)
        try:
            with governing(tmp_path / "policy", tmp_path, notes) as govern:
                steering = Steering(govern=govern, on_round=on_round)
                link = Linked(Place(Address.of(address)), 2)
                outcome = train(plan, notes, run_id="r-1", steering=steering, link=link)
        finally:
            node.send_signal(signal.SIGTERM)
            _, said = node.communicate(timeout=30)
    assert (outcome.state, outcome.rounds) == ("finished", 4)
    failed = [
        (one.round, one.node, one.details["message"]) for one in notes.events("CLIENT_FAILED")
    ]
    why = (
        "refused by the node's own policy: the update's norm is above this node's bound, or could"
        " not be measured"
    )
    assert failed == [(3, "site-b", why), (4, "site-b", why)]
    learnt = {one.round for one in notes.events("TRUST_CHANGED") if one.node == "site-b"}
    assert learnt == {1, 2}
    trail = site / "nodes" / "site-b.policy"
    kept = [one.body for one in records(trail / "audit", kind="decision")]
    assert [one["allowed"] for one in kept] == [True] * 5 + [False, True, False]
    asked = kept[0]["request"]["resource"]["attributes"]
    assert (asked["task"], asked["rounds"], asked["superlink"]) == ("digits", 4, address)
    assert verify(trail / "audit", PublicKey.read(trail / "keys" / "audit.pub")).ok
    assert "shareModel refused" in said


def test_a_node_with_a_wrong_set_does_not_begin(tmp_path: Path) -> None:
    init(tmp_path / "policy")
    found = fedsight(tmp_path / "data", "node", "--policy", str(tmp_path / "policy"))
    assert found.returncode == 2
    assert "fedsight policy init DIR --node" in " ".join(found.stderr.split())
