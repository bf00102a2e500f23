"""Nodes in processes of their own that each have their own data, and a server that has none."""

from __future__ import annotations

import struct
from dataclasses import replace
from pathlib import Path

import pytest

from fedsight.config import Settings, load
from fedsight.federated.link.address import Address
from fedsight.federated.link.caller import Place
from fedsight.federated.link.launch import launched
from fedsight.federated.link.linked import Linked
from fedsight.federated.plan import DEPLOYMENT, PersonalPlan, Plan
from fedsight.federated.runs.checkpoint import Checkpoints
from fedsight.federated.training import Outcome, train
from fedsight.federated.versions import ModelStore, RunKeeper
from fedsight.journal import Journal
from tests.federated.test_training import Kept
from tests.tasks import recorded

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

NODES = ("edge-a", "edge-b")
PLAN = Plan(
    task="telemetry",
    partition="own",
    nodes=len(NODES),
    rounds=2,
    lr=0.01,
    epochs=1,
    batch_size=64,
    columns="value",
    tuned=PersonalPlan(personal=True, personal_epochs=1),
)


def settings(data: Path) -> Settings:
    return replace(load(None), data=data)


def served(address: str, plan: Plan, data: Path) -> Outcome:
    """The server's part of a run, with all that it keeps in `data`."""
    link = Linked(Place(Address.of(address)), plan.nodes)
    models = RunKeeper(ModelStore(data / "models"), "r-own", plan.task, 10)
    with Journal(data / "journals", "r-own") as journal:
        return train(
            plan,
            journal,
            run_id="r-own",
            models=models,
            checkpoints=Checkpoints(data / "checkpoints"),
            link=link,
        )


def test_both_engines_end_with_the_same_bits_and_rows_stay_on_the_nodes(tmp_path: Path) -> None:
    folder = recorded.write(tmp_path / "recorded", *NODES)
    simulated = train(
        replace(PLAN, data=str(folder)), Kept(), run_id="r-own", kept=tmp_path / "kept"
    )
    nodes, server = tmp_path / "nodes", tmp_path / "server"
    places = {node: str(folder / f"{node}.csv") for node in NODES}
    nowhere = str(tmp_path / "not-there")
    with launched(settings(nodes), places, task="telemetry", again=False) as federation:
        plan = replace(PLAN, engine=DEPLOYMENT, data=nowhere)
        deployed = served(federation.address, plan, server)
    assert deployed.state == simulated.state == "finished"
    assert deployed.model_sha256 == simulated.model_sha256
    assert deployed.loss == simulated.loss
    assert deployed.accuracy is None
    assert deployed.personal == simulated.personal
    assert (own := files_in(tmp_path / "kept")) == files_in(nodes / "personal")
    assert own
    assert_holds_no_row(server)


def files_in(folder: Path) -> dict[str, bytes]:
    """What files there are in a folder, and what is in them."""
    found = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


def assert_holds_no_row(data: Path) -> None:
    """No file of the server has a node's value in it, as a number or as text."""
    files = files_in(data).values()
    assert len(files) >= 3
    for seed in range(len(NODES)):
        values = [float(f"{value:.6f}") for value in recorded.values(seed)[:50]]
        wanted = [struct.pack("<d", value) for value in values]
        wanted += [f"{value:.6f}".encode() for value in values]
        wanted += [struct.pack("<3f", *values[at : at + 3]) for at in range(40)]
        assert not any(one in content for one in wanted for content in files)


def test_a_node_without_enough_rows_fails_alone_and_says_so(tmp_path: Path) -> None:
    folder = recorded.write(tmp_path / "recorded", *NODES)
    recorded.write(folder, "young", rows=40)
    places = {node: str(folder / f"{node}.csv") for node in (*NODES, "young")}
    plan = replace(PLAN, engine=DEPLOYMENT, nodes=3, tuned=PersonalPlan())
    with launched(settings(tmp_path / "nodes"), places, task="telemetry", again=False) as there:
        outcome = served(there.address, plan, tmp_path / "server")
    assert outcome.state == "finished"
    with Journal(tmp_path / "server" / "journals", "r-own") as journal:
        events = [one for record in journal.read(0, 100) for one in record.batch.events]
    failed = [one for one in events if one.kind == "CLIENT_FAILED"]
    assert {one.node for one in failed} == {"young"}
    assert "node young: 40 rows are too few" in str(failed[0].details["message"])
    unvalidated = [one for one in events if one.kind == "EVALUATION_FAILED"]
    assert {one.node for one in unvalidated} == {"young"}
