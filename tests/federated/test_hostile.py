"""What a node may send instead of an update: it is refused by name, and the round goes on."""

from __future__ import annotations

from typing import cast

import numpy as np
import pytest
from flwr.app import Array, ArrayRecord, ConfigRecord, Message, MetricRecord, RecordDict

from fedsight.federated import codec
from fedsight.federated.algorithms import strategy
from fedsight.federated.observation import RoundRecord, Translator
from fedsight.federated.observed import Observed
from fedsight.federated.plan import AlgorithmPlan
from fedsight.federated.wrapping import Checked
from tests.federated.rounds.script import add_id, grid

Record = ArrayRecord | ConfigRecord | MetricRecord

UPDATE = codec.pack(np.ones(1, np.float32))
ONE_SAMPLE = MetricRecord({"num-examples": 1})


@pytest.mark.parametrize(
    ("arrays", "metrics", "reason"),
    [
        (UPDATE, MetricRecord({"num-examples": [1, 2]}), r"stands for \[1, 2\] samples"),
        (UPDATE, MetricRecord({"num-examples": float("nan")}), "stands for nan samples"),
        (UPDATE, ConfigRecord({"num-examples": "many"}), "expected metrics, got ConfigRecord"),
        (UPDATE, ConfigRecord({"num-examples": 3, "x": "ab"}), "expected metrics, got Config"),
        (UPDATE, ArrayRecord({"num-examples": Array(np.ones(1))}), "expected metrics, got Array"),
        (MetricRecord({"flat": 1.0}), ONE_SAMPLE, "expected arrays, got MetricRecord"),
        (ConfigRecord({"flat": "x"}), ONE_SAMPLE, "expected arrays, got ConfigRecord"),
    ],
)
def test_what_is_no_update_is_refused_and_told(
    arrays: Record, metrics: Record, reason: str
) -> None:
    def answer(message: Message) -> Message:
        if message.metadata.dst_node_id != 2:
            return add_id(message)
        content = RecordDict()
        content["arrays"], content["metrics"] = arrays, metrics
        return Message(content, reply_to=message)

    seen: list[RoundRecord] = []
    checked = Checked(Observed(strategy(AlgorithmPlan()), "r", seen.append))
    result = checked.start(
        grid(3, answer=answer), codec.pack(np.zeros(1, np.float32)), num_rounds=1
    )
    assert codec.unpack(cast(ArrayRecord, result.arrays)).tolist() == [2.0]
    assert [node.status for node in seen[0].nodes] == ["trained", "rejected", "trained"]
    assert pytest.approx(1) == seen[0].nodes[0].samples
    events = Translator("r").batch(seen[0]).events
    (told,) = [event for event in events if event.kind == "UPDATE_REJECTED"]
    assert reason.replace("\\", "") in str(told.details["message"])
