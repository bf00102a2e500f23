from dataclasses import replace
from itertools import count
from pathlib import Path

import msgspec
import numpy as np
import pytest

from fedsight.collector.options import CollectorOptions
from fedsight.federated import codec
from fedsight.federated.observation import NodeRound, Period, RoundRecord, Translator, Turn
from fedsight.federated.observed import Observed
from fedsight.federated.plan import MOST_NODES_A_ROUND, RoundPlan
from fedsight.federated.rounds.engine import Engine
from fedsight.federated.rounds.muster import Muster
from fedsight.federated.scrutiny import Look, Suspicion, Verdict
from fedsight.signals import samples_of
from tests.federated.rounds.script import Mean, Said, grid

SECOND = 1_000_000_000


def record() -> RoundRecord:
    return RoundRecord(
        run="r-1",
        round=3,
        started=100 * SECOND,
        ended=104 * SECOND,
        nodes=[
            NodeRound(
                "client-0",
                status="trained",
                turn=Turn(train=Period(100 * SECOND, 101 * SECOND)),
                samples=40,
                train_loss=0.5,
                train_seconds=0.9,
                payload_down_bytes=1000,
                payload_up_bytes=1000,
            ),
            NodeRound(
                "client-1",
                status="failed",
                reason="RuntimeError: no memory left",
                turn=Turn(train=Period(101 * SECOND, 102 * SECOND)),
                payload_down_bytes=1000,
            ),
            NodeRound("client-2", payload_down_bytes=1000),
        ],
        aggregate=Period(102 * SECOND, 103 * SECOND),
        evaluate=Period(103 * SECOND, 104 * SECOND),
        train_loss=0.5,
        accuracy=0.75,
        loss=1.5,
    )


def figures(found: RoundRecord) -> dict[tuple[str, str | None], float]:
    samples = samples_of(Translator("r-1").batch(found).samples)
    assert {sample.labels["run"] for sample in samples} == {"r-1"}
    assert {sample.round for sample in samples} == {3}
    assert {sample.time for sample in samples} == {104 * SECOND}
    return {(sample.name, sample.labels.get("node")): sample.value for sample in samples}


def test_a_round_becomes_its_figures_and_nothing_is_made_up() -> None:
    found = figures(record())
    assert {name: value for (name, node), value in found.items() if node is None} == {
        "fl_accuracy": 0.75,
        "fl_eval_loss": 1.5,
        "fl_train_loss": 0.5,
        "fl_round_duration_seconds": 4.0,
        "fl_round_selected": 3,
        "fl_round_participants": 1,
        "fl_round_failures": 2,
        "fl_samples_per_round": 40,
        "fl_round_payload_down_bytes": 3000,
        "fl_round_payload_up_bytes": 1000,
    }
    assert {name: value for (name, node), value in found.items() if node == "client-0"} == {
        "fl_client_train_seconds": 0.9,
        "fl_client_queued_seconds": 0.0,
        "fl_client_samples": 40,
        "fl_client_train_loss": 0.5,
        "fl_client_payload_down_bytes": 1000,
        "fl_client_payload_up_bytes": 1000,
    }
    assert {name for name, node in found if node == "client-2"} == {"fl_client_payload_down_bytes"}


def test_the_record_of_the_largest_round_fits_the_collectors_largest_body() -> None:
    busy = Period(1_763_805_119_123_456_789, 1_763_805_119_223_456_789)
    turn, third = Turn(busy, busy, busy), 1 / 3
    look = Look(third, third, third, third, third, third, third)
    verdict = Verdict(look, Suspicion(third, 10, False))
    figures = (10**6, third, third, third, third, 10**9, 10**9, verdict)
    node = NodeRound("x", "trained", None, turn, *figures)
    nodes = [replace(node, node=f"client-{at}") for at in range(MOST_NODES_A_ROUND)]
    largest = RoundRecord("r-12345678", 10**6, busy.start - 10**9, busy.end, nodes)
    body = msgspec.json.encode(Translator("r-12345678").batch(largest))
    assert len(body) + 1000 < CollectorOptions(Path("x")).body_bytes


def test_a_deployed_nodes_phases_are_told_apart() -> None:
    phases = [Period((100 + at) * SECOND, (101 + at) * SECOND) for at in (1, 2, 4)]
    deployed = record()
    deployed.nodes = [replace(deployed.nodes[0], turn=Turn(*phases))]
    batch = Translator("r-1").batch(deployed)
    found = [(span.phase, span.start // SECOND, span.seconds) for span in batch.spans if span.node]
    assert found == [
        ("queued", 100, 1.0),
        ("download", 101, 1.0),
        ("train", 102, 1.0),
        ("upload", 104, 1.0),
    ]
    told = {sample.name: sample.value for sample in samples_of(batch.samples)}
    assert told["fl_client_download_seconds"] == told["fl_client_upload_seconds"] == 1.0
    assert told["fl_client_queued_seconds"] == 1.0


def test_failures_are_told_with_their_message() -> None:
    events = Translator("r-1").batch(record()).events
    told = [(event.kind, event.node, event.details) for event in events]
    assert told == [
        ("ROUND_STARTED", None, {"selected": ["client-0", "client-1", "client-2"]}),
        ("CLIENT_FAILED", "client-1", {"message": "RuntimeError: no memory left"}),
        ("CLIENT_SILENT", "client-2", {"message": "no reply"}),
        ("ROUND_COMPLETED", None, {}),
    ]


def test_spans_lie_on_the_servers_clock_and_unknown_phases_are_absent() -> None:
    spans = Translator("r-1").batch(record()).spans
    found = [(span.node, span.phase, span.start // SECOND, span.seconds, span.ok) for span in spans]
    assert found == [
        ("client-0", "queued", 100, 0.0, True),
        ("client-0", "train", 100, 1.0, True),
        ("client-1", "queued", 100, 1.0, True),
        ("client-1", "train", 101, 1.0, False),
        (None, "aggregate", 102, 1.0, True),
        (None, "evaluate", 103, 1.0, True),
    ]


@pytest.mark.parametrize("loss", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite_is_absent_and_said(loss: float) -> None:
    spoilt = record()
    spoilt.loss = loss
    assert ("fl_eval_loss", None) not in figures(spoilt)
    (completed,) = (
        event for event in Translator("r-1").batch(spoilt).events if event.kind == "ROUND_COMPLETED"
    )
    assert completed.details == {"message": f"held-out loss is not a finite number: {loss}"}


def test_a_round_without_a_usable_update_failed() -> None:
    empty = record()
    empty.nodes = empty.nodes[1:]
    kinds = [event.kind for event in Translator("r-1").batch(empty).events]
    assert kinds[-1] == "ROUND_FAILED"


def test_a_late_answer_that_is_used_stands_in_the_round_that_used_it() -> None:
    records: list[RoundRecord] = []
    nodes = grid(3, after={3: 4})
    strategy = Observed(
        Mean(), "r-1", records.append, name="client-{}".format, now=count(1).__next__
    )
    rule = RoundPlan(timeout_seconds=0.05, late="use")
    engine = Engine(nodes, rule, muster=Muster(nodes, 10.0, Said()))
    start = codec.pack(np.zeros(1, np.float32))
    engine.run(strategy, start, rounds=6, evaluate=strategy.evaluating(None))
    told = [{node.node: node.status for node in record.nodes} for record in records]
    assert told[0] == {"client-1": "trained", "client-2": "trained", "client-3": "no_reply"}
    assert any(one.get("client-3") == "trained" for one in told[1:])
    assert all(len(record.nodes) == len({node.node for node in record.nodes}) for record in records)
