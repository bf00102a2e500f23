"""The server's evaluation of the global model."""

from __future__ import annotations

from typing import Any, cast

from flwr.app import ArrayRecord, MetricRecord

from fedsight.federated import codec
from fedsight.federated.flat import FlatModel
from fedsight.federated.rounds.engine import Evaluate
from fedsight.tasks import Task


def held_out_evaluation(task: Task, model: FlatModel) -> Evaluate | None:
    """Evaluates the global model on the task's held-out data; None where the task has none."""
    data = task.held_out()
    if data is None:
        return None

    def evaluate(server_round: int, arrays: ArrayRecord) -> MetricRecord:
        model.load(codec.unpack(arrays))
        return MetricRecord(cast(Any, dict(task.evaluate(model.model, data))))

    return evaluate
