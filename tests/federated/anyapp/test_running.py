"""Flower apps run as they are on simulated nodes, and what can be seen of them is journaled."""

from __future__ import annotations

from pathlib import Path

import pytest

from fedsight.federated.anyapp.running import Where
from fedsight.federated.plan import RoundPlan
from tests.federated.anyapp.apps import CLIENT, OLD_CLIENT, OLD_SERVER, SERVER, ran, written


def test_an_app_of_the_message_api_is_seen_round_by_round(tmp_path: Path) -> None:
    outcome, kept = ran(written(tmp_path / "app"), sets=["rounds=3"])
    assert (outcome.state, outcome.reason, outcome.rounds) == ("finished", None, 3)
    assert [report.round for report in kept.rounds] == [1, 2, 3]
    assert [(report.participants, report.selected) for report in kept.rounds] == [(3, 3)] * 3
    # (0 * 1 + 1 * 2 + 2 * 3) / 6
    assert outcome.accuracy == pytest.approx(8 / 6)
    assert outcome.loss == 1.0
    assert kept.figures("fl_train_loss") == pytest.approx([8 / 6] * 3)
    assert kept.figures("fl_samples_per_round") == [6.0] * 3
    assert kept.figures("fl_client_samples", "client-2") == [3.0] * 3


def test_a_run_is_told_from_its_start_to_its_end(tmp_path: Path) -> None:
    _, kept = ran(written(tmp_path / "app"))
    first, better = kept.events("RUN_STARTED")
    assert first.time == better.time
    assert first.details["task"] == "tried"
    assert first.details["engine"] == "simulation"
    assert first.details["nodes"] == ["client-0", "client-1", "client-2"]
    assert first.details["rounds"] is None
    assert first.details["config"] == {"rounds": 2}
    assert better.details["model_parameters"] == 9
    (ended,) = kept.events("RUN_ENDED")
    assert ended.details["state"] == "finished"
    assert {span.phase for batch in kept.batches for span in batch.spans} == {
        "queued",
        "train",
        "evaluate",
    }


def test_bytes_are_those_of_the_arrays_to_train_and_to_evaluate(tmp_path: Path) -> None:
    outcome, kept = ran(written(tmp_path / "app"), sets=["rounds=1"])
    model = (128 + 2 * 3 * 4) + (128 + 3 * 8)
    assert outcome.bytes_up == 3 * model
    assert outcome.bytes_down == 2 * 3 * model
    assert kept.figures("fl_client_payload_down_bytes", "client-0") == [model]


def test_a_node_keeps_its_state_and_shares_nothing(tmp_path: Path) -> None:
    client = CLIENT.replace(
        "    arrays = message.content",
        "    message.content['arrays'].pop('bias') if part(context) == 0 else None\n"
        "    assert part(context) == 0 or 'bias' in message.content['arrays']\n"
        "    arrays = message.content",
    ).replace('"train_loss": float(part(context))', '"train_loss": float(count + 1)')
    server = SERVER.replace("FedAvg()", "FedAvg(fraction_evaluate=0.0)")
    outcome, kept = ran(written(tmp_path / "app", client=client, server=server), sets=["rounds=1"])
    # Node 0 sends another model than the rest, which Flower's FedAvg does not take.
    assert outcome.state == "failed"
    assert "InconsistentMessageReplies" in (outcome.reason or "")
    outcome, kept = ran(written(tmp_path / "state", client=client.replace("== 0", "== 9")))
    assert kept.figures("fl_client_train_loss", "client-1") == [1.0, 2.0]


def test_mods_are_respected(tmp_path: Path) -> None:
    client = CLIENT.replace(
        "app = ClientApp()",
        "def tenfold(message, context, call):\n"
        "    reply = call(message, context)\n"
        "    if 'arrays' in reply.content:\n"
        "        reply.content['metrics']['train_loss'] = 70.0\n"
        "    return reply\n"
        "app = ClientApp(mods=[tenfold])",
    )
    _, kept = ran(written(tmp_path / "app", client=client))
    assert kept.figures("fl_train_loss") == [70.0, 70.0]


def test_an_app_of_the_older_kind_runs(tmp_path: Path) -> None:
    folder = written(tmp_path / "app", client=OLD_CLIENT, server=OLD_SERVER)
    outcome, kept = ran(folder)
    assert (outcome.state, outcome.reason, outcome.rounds) == ("finished", None, 2)
    assert [(one.participants, one.selected) for one in kept.rounds] == [(3, 3)] * 2
    assert (outcome.loss, outcome.accuracy) == (2.0, 0.25)
    assert kept.figures("fl_client_samples", "client-1") == [2.0, 2.0]
    assert kept.figures("fl_train_loss") == [0.5, 0.5]
    assert kept.events("RUN_STARTED")[-1].details["model_parameters"] is None


def test_a_node_that_fails_is_told_by_name_and_the_round_goes_on(tmp_path: Path) -> None:
    client = CLIENT.replace(
        "    arrays = message.content",
        "    if part(context) == 1: raise ValueError('no data')\n    arrays = message.content",
    )
    outcome, kept = ran(written(tmp_path / "app", client=client))
    assert outcome.state == "finished"
    assert [report.participants for report in kept.rounds] == [2, 2]
    failed = kept.events("CLIENT_FAILED")
    assert [(one.round, one.node) for one in failed] == [(1, "client-1"), (2, "client-1")]
    assert "ValueError: no data" in str(failed[0].details["message"])


def test_a_node_that_cannot_evaluate_is_told(tmp_path: Path) -> None:
    client = CLIENT.replace("    found = {", "    1 / part(context)\n    found = {")
    outcome, kept = ran(written(tmp_path / "app", client=client), sets=["rounds=1"])
    assert outcome.state == "finished"
    (failed,) = kept.events("EVALUATION_FAILED")
    assert (failed.round, failed.node) == (1, "client-0")
    assert "ZeroDivisionError" in str(failed.details["message"])


def test_a_server_that_raises_has_failed_with_what_it_said(tmp_path: Path) -> None:
    server = SERVER.replace("    strategy = FedAvg()", "    raise KeyError('lost')")
    outcome, kept = ran(written(tmp_path / "app", server=server))
    assert outcome.state == "failed"
    assert "KeyError: 'lost' (server.py:" in (outcome.reason or "")
    assert kept.events("RUN_ENDED")[0].details["state"] == "failed"


def test_a_server_that_waits_for_nodes_that_never_come_is_given_up(tmp_path: Path) -> None:
    server = SERVER.replace("FedAvg()", "FedAvg(min_available_nodes=9)")
    where = Where(3, rule=RoundPlan(wait_seconds=2.0))
    outcome, kept = ran(written(tmp_path / "app", server=server), where=where)
    assert outcome.state == "failed"
    assert "waits for more nodes than there are: 3; gave up" in (outcome.reason or "")
    assert len(kept.events("ROUND_WAITING")) == 1


def test_an_exchange_ends_at_its_deadline(tmp_path: Path) -> None:
    client = "import time\n" + CLIENT.replace(
        "    arrays = message.content", "    time.sleep(0.4)\n    arrays = message.content"
    )
    server = SERVER.replace("FedAvg()", "FedAvg(fraction_evaluate=0.0)")
    where = Where(4, rule=RoundPlan(timeout_seconds=0.6))
    folder = written(tmp_path / "app", client=client, server=server)
    outcome, kept = ran(folder, sets=["rounds=1"], where=where)
    assert outcome.state == "finished"
    assert [(one.participants, one.selected) for one in kept.rounds] == [(2, 4)]
    assert len(kept.events("CLIENT_SILENT")) == 2


def test_a_stop_ends_the_run_where_it_is(tmp_path: Path) -> None:
    server = SERVER.replace(
        "    strategy = FedAvg()",
        "    grid.session.control.stop('enough')\n    strategy = FedAvg()",
    )
    outcome, _ = ran(written(tmp_path / "app", server=server))
    assert (outcome.state, outcome.reason, outcome.rounds) == ("stopped", "enough", 0)
