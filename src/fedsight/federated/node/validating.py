"""A node's part in finding how good the global model is, on data of its own that trains nobody.

The server asks with an `evaluate` message; the answer is figures, and nothing else of the data.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Protocol, cast

from flwr.app import ArrayRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp

from fedsight.errors import FedsightError
from fedsight.federated import codec
from fedsight.federated.flat import FlatModel, Vector
from fedsight.tasks import Task, Validated

METRICS = "metrics"
#: Flower's own name for the weight of an update, and of figures.
NUM_EXAMPLES = "num-examples"
LOSS, ACCURACY = "loss", "accuracy"


class Validator(Protocol):
    """Evaluates a model on one node's own data."""

    def validate(self, vector: Vector) -> dict[str, float | int]:
        """Figures of the model `vector`: `num-examples`, `loss`, and more as the task has."""


def validated(task: Task, model: FlatModel, data: Any, vector: Vector) -> dict[str, float | int]:
    """What the task finds of the model `vector` on the validation part of a node's `data`.

    Raises FedsightError where the task has none.
    """
    if not isinstance(task, Validated):
        raise FedsightError("this task's models are not validated on its nodes")
    part = task.validation(data)
    model.load(vector)
    found = task.evaluate(model.model, part)
    return {NUM_EXAMPLES: len(part), **taken(found, task.figures)}


def taken(found: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, float]:
    """Of some figures the loss, the accuracy and those of these names; only numbers."""
    return {
        name: float(found[name])
        for name in (LOSS, ACCURACY, *names)
        if isinstance(found.get(name), int | float) and math.isfinite(found[name])
    }


def answer_validation(app: ClientApp, validator_of: Callable[[Context], Validator]) -> None:
    """Let `app` answer `evaluate` messages with the validator of the node they came to."""

    @app.evaluate()
    def evaluate(message: Message, context: Context) -> Message:
        vector = codec.unpack(cast(ArrayRecord, message.content[codec.ARRAYS]))
        figures = validator_of(context).validate(vector)
        content = RecordDict({METRICS: MetricRecord(cast(Any, figures))})
        return Message(content, reply_to=message)
