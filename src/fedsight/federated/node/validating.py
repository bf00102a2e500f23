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
from fedsight.federated.node.personal import Tuning, tuning_of
from fedsight.tasks import Task, Validated

METRICS, CONFIG = "metrics", "config"
#: Flower's own name for the weight of an update, and of figures.
NUM_EXAMPLES = "num-examples"
LOSS, ACCURACY = "loss", "accuracy"


class Validator(Protocol):
    """Evaluates a model on one node's own data, and tunes it for the node alone."""

    def validate(self, vector: Vector) -> dict[str, float | int]:
        """Figures of the model `vector`: `num-examples`, `loss`, and more as the task has."""

    def tune(self, vector: Vector, tuning: Tuning) -> dict[str, float | int]:
        """The same of before and after it was tuned, and whether the node keeps it."""


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
        validator, config = validator_of(context), message.content.config_records.get(CONFIG)
        tuning = tuning_of(dict(config or {}))
        figures = validator.tune(vector, tuning) if tuning else validator.validate(vector)
        content = RecordDict({METRICS: MetricRecord(cast(Any, figures))})
        return Message(content, reply_to=message)
