"""A node whose key is revoked while a run goes on, and one whose key nobody registered."""

from __future__ import annotations

import signal
from contextlib import ExitStack
from pathlib import Path

import pytest

from fedsight.federated.link import identity
from fedsight.federated.link.caller import Place
from fedsight.federated.link.membership import Membership
from fedsight.federated.link.reports import Refusal
from fedsight.federated.link.superlink import SuperLink, SuperLinkOptions
from tests.cli.command import started
from tests.federated.faults.ground import assert_sound, plan, running
from tests.federated.faults.interrupted import ROOT
from tests.federated.faults.paced import COUNTING, FOLDER, Pace

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


def test_a_revoked_node_gets_nothing_more_and_the_run_goes_on(pace: Pace, tmp_path: Path) -> None:
    told: list[Refusal] = []
    link = SuperLink(SuperLinkOptions(port=0, node_auth=True), on_refusal=told.append)
    place = Place(link.start())
    members = Membership(place)
    keys = {name: identity.write(tmp_path / name) for name in ("a", "b", "stranger")}
    for name in ("a", "b"):
        members.register(tmp_path / f"{name}.pub", name)
    environment = {FOLDER: str(pace.folder), "PYTHONPATH": str(ROOT)}
    environment["FEDSIGHT_NODE_TASKS"] = COUNTING
    asked = plan(nodes=2, rounds=6, timeout_seconds=20.0, silent_seconds=3.0)
    with ExitStack() as open_:
        open_.callback(link.stop)
        open_.callback(members.close)
        processes = []
        for part, name in enumerate(keys):
            flags = ["--superlink", str(place.address), "--name", name, "--key"]
            flags += [str(tmp_path / name), "--partition", str(part), "--of", "3"]
            process = open_.enter_context(
                started(tmp_path / f"data-{name}", "node", *flags, **environment)
            )
            open_.callback(process.kill)
            processes.append(process)
        run = open_.enter_context(running(str(place.address), tmp_path, asked))
        run.rounds(2, within=120.0)  # three processes import torch first
        pace.hold("train-1")
        pace.wait("train-1", pace.times("train-1") + 1)
        members.revoke("b")
        pace.release("train-1")
        there = assert_sound(run, 6, 20.0)
        assert processes[1].wait(30) == 1
        assert processes[2].wait(30) == 1
        processes[0].send_signal(signal.SIGTERM)
        assert processes[0].wait(30) == 0
    assert (there[1], there[6]) == (["a", "b"], ["a"])
    assert pace.times("train-2") == 0
    refused = {one.key for one in told}
    assert refused == {keys["b"].fingerprint, keys["stranger"].fingerprint}
