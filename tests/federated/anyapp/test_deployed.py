"""Flower apps on nodes in processes of their own: warm ones, and Flower's own."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from fedsight.config import Settings, load
from fedsight.federated.anyapp.running import Where
from fedsight.federated.link.address import Address
from fedsight.federated.link.caller import Place
from fedsight.federated.link.launch import Federation, launched
from fedsight.federated.plan import RoundPlan
from fedsight.federated.runs.outcome import RoundReport
from tests.federated.anyapp.apps import (
    CLIENT,
    OBSERVED,
    OLD_CLIENT,
    OLD_SERVER,
    SERVER,
    ran,
    written,
)
from tests.federated.link.test_stock_node import supernode

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(180),
    pytest.mark.filterwarnings("ignore:GitWildMatchPattern"),
]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return replace(load(), data=tmp_path / "data")


@pytest.fixture
def federation(settings: Settings) -> Iterator[Federation]:
    with launched(settings, 2, apps=True, again=False) as federation:
        yield federation


def where(federation: Federation, nodes: int, **rule: float) -> Where:
    place = Place(Address.of(federation.address))
    return Where(nodes, place, RoundPlan(**{"wait_seconds": 60.0, **rule}))


def test_an_app_runs_on_warm_nodes_as_on_simulated_ones(
    federation: Federation, tmp_path: Path
) -> None:
    folder = written(tmp_path / "app")
    there = ran(folder, sets=["rounds=3"], where=where(federation, 2))
    here = ran(folder, sets=["rounds=3"], nodes=2)
    for name in ("fl_accuracy", "fl_eval_loss", "fl_train_loss", "fl_round_payload_up_bytes"):
        assert there[1].figures(name) == here[1].figures(name)
        assert len(there[1].figures(name)) == 3
    assert there[0].state == "finished"
    assert there[0].bytes_down == here[0].bytes_down
    assert there[1].events("RUN_STARTED")[-1].details["nodes"] == ["client-0", "client-1"]
    phases = {span.phase for batch in there[1].batches for span in batch.spans}
    assert phases >= {"download", "train", "upload", "evaluate"}


def test_one_line_gives_it_models_on_warm_nodes_and_older_apps_run(
    federation: Federation, tmp_path: Path
) -> None:
    outcome, kept = ran(written(tmp_path / "observed", server=OBSERVED), where=where(federation, 2))
    assert (outcome.state, outcome.rounds) == ("finished", 2)
    assert [(one.participants, one.rounds) for one in kept.rounds] == [(2, 2), (2, 2)]
    folder = written(tmp_path / "old", client=OLD_CLIENT, server=OLD_SERVER)
    outcome, kept = ran(folder, where=where(federation, 2))
    assert (outcome.state, outcome.reason, outcome.rounds) == ("finished", None, 2)
    assert (outcome.loss, outcome.accuracy) == (2.0, 0.25)


def test_a_stock_node_takes_part_beside_warm_ones(federation: Federation, tmp_path: Path) -> None:
    with supernode(Address.of(federation.address), tmp_path, "--insecure"):
        outcome, kept = ran(
            written(tmp_path / "app"), sets=["rounds=2"], where=where(federation, 3)
        )
    assert (outcome.state, outcome.reason) == ("finished", None)
    assert [report.participants for report in kept.rounds] == [3, 3]
    # Parts 0, 1 and, of the stock node, 3.
    assert kept.figures("fl_samples_per_round") == [7.0, 7.0]
    assert outcome.accuracy == pytest.approx((0 * 1 + 1 * 2 + 3 * 4) / 7)


def test_a_node_that_dies_in_training_is_not_waited_for(
    federation: Federation, tmp_path: Path
) -> None:
    client = "import time\n" + CLIENT.replace(
        "    arrays = message.content", "    time.sleep(2.0)\n    arrays = message.content"
    )
    server = OBSERVED.replace(
        "FedAvg()",
        "FedAvg(min_available_nodes=1, min_train_nodes=1, min_evaluate_nodes=1), silent_seconds=3",
    )

    def die_soon(report: RoundReport) -> None:
        if report.round == 1:
            threading.Timer(0.8, lambda: federation.kill_node(1, signal.SIGKILL)).start()

    outcome, kept = ran(
        written(tmp_path / "app", client=client, server=server),
        sets=["rounds=4"],
        where=where(federation, 2),
        on_round=die_soon,
    )
    assert (outcome.state, outcome.rounds) == ("finished", 4)
    assert kept.rounds[-1].participants == 1
    assert [one.node for one in kept.events("NODE_SILENT")] == ["client-1"]
    assert max(report.seconds for report in kept.rounds) < 20


def test_a_server_that_raises_is_told_to_the_superlink_too(
    federation: Federation, tmp_path: Path
) -> None:
    server = SERVER.replace("    strategy = FedAvg()", "    raise KeyError('lost')")
    outcome, _ = ran(written(tmp_path / "app", server=server), where=where(federation, 2))
    assert outcome.state == "failed"
    again, _ = ran(written(tmp_path / "again"), where=where(federation, 2))
    assert again.state == "finished"
