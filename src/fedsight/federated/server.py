"""The server's side of a run: a Flower ServerApp that starts a strategy on a task's model."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, cast

from flwr.app import ArrayRecord, Context, MetricRecord
from flwr.serverapp import Grid, ServerApp
from flwr.serverapp.strategy import Result, Strategy

from fedsight.federated import codec
from fedsight.federated.flat import FlatModel
from fedsight.federated.plan import Plan
from fedsight.federated.rounds import Evaluate
from fedsight.tasks import Task


def server_app(
    task: Task, model: FlatModel, strategy: Strategy, on_result: Callable[[Result], None]
) -> ServerApp:
    """A ServerApp that trains `task` from the weights that `model` holds, by `strategy`."""
    app = ServerApp()

    @app.main()
    def main(grid: Grid, context: Context) -> None:
        plan = Plan.of(context.run_config)
        result = strategy.start(
            grid,
            codec.pack(model.vector()),
            num_rounds=plan.rounds,
            timeout=math.inf,  # a node that waits for its turn, however long, is not silent
            evaluate_fn=held_out_evaluation(task, model),
        )
        on_result(result)

    return app


def held_out_evaluation(task: Task, model: FlatModel) -> Evaluate | None:
    """Evaluates the global model on the task's held-out data; None where the task has none."""
    data = task.held_out()
    if data is None:
        return None

    def evaluate(server_round: int, arrays: ArrayRecord) -> MetricRecord:
        model.load(codec.unpack(arrays))
        return MetricRecord(cast(Any, dict(task.evaluate(model.model, data))))

    return evaluate
