"""How good a round's model is where the server has no data: what the nodes find of it."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Sequence
from typing import cast

from flwr.app import ArrayRecord, ConfigRecord, Message, MessageType, MetricRecord, RecordDict
from flwr.serverapp import Grid
from flwr.serverapp.strategy import Strategy

from fedsight.errors import UsageError
from fedsight.federated import codec
from fedsight.federated.node.client import CONFIG, ROUND
from fedsight.federated.node.validating import METRICS, NUM_EXAMPLES, taken
from fedsight.federated.observation import Validation
from fedsight.federated.wrapping import MOST_SAMPLES, Wrapper

_FIGURE = re.compile(r"[a-z][a-z0-9_]{0,31}")


class ValidatedOnNodes(Wrapper):
    """Each round asks the nodes that `there` names what they find of the new global model.

    `figures` are the names that an answer may have beside loss and accuracy; others are left out.
    """

    def __init__(
        self, inner: Strategy, figures: Sequence[str], there: Callable[[], Sequence[int]]
    ) -> None:
        super().__init__(inner)
        self._figures = tuple(figures)
        self._there = there

    def configure_evaluate(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> list[Message]:
        config[ROUND] = server_round
        content = RecordDict({codec.ARRAYS: arrays, CONFIG: config})
        return [Message(content, node_id, MessageType.EVALUATE) for node_id in self._there()]

    def aggregate_evaluate(
        self, server_round: int, replies: Iterable[Message]
    ) -> MetricRecord | None:
        answers = [validation_of(reply, self._figures) for reply in replies]
        means = mean(one for one in answers if not isinstance(one, str))
        return MetricRecord(cast("dict[str, float | int | list[float] | list[int]]", means))


def checked_figures(names: Sequence[str]) -> tuple[str, ...]:
    """The names of a task's figures. Raises UsageError where one of them is none."""
    for name in names:
        if not _FIGURE.fullmatch(name):
            raise UsageError(
                "a task's figures must be called by small letters, digits and '_', at most 32,"
                f" got {name!r}"
            )
    return tuple(names)


def validation_of(reply: Message, names: tuple[str, ...]) -> Validation | str:
    """What a node answered, or in a sentence why that does not count."""
    if reply.has_error():
        return reply.error.reason or "the node failed"
    metrics = reply.content.get(METRICS)
    if not isinstance(metrics, MetricRecord):
        return "the answer holds no figures"
    samples = metrics.get(NUM_EXAMPLES)
    if not isinstance(samples, int) or not 0 < samples <= MOST_SAMPLES:
        return f"the answer stands for {samples!r} samples"
    figures = taken(metrics, names)
    return Validation(samples, figures) if figures else "no figure of the answer is a number"


def mean(answers: Iterable[Validation]) -> dict[str, float]:
    """The mean of each figure over those who have it, weighted by samples."""
    sums: dict[str, float] = {}
    weights: dict[str, int] = {}
    for answer in answers:
        for name, value in answer.figures.items():
            sums[name] = sums.get(name, 0.0) + answer.samples * value
            weights[name] = weights.get(name, 0) + answer.samples
    found = {name: total / weights[name] for name, total in sums.items()}
    return {name: value for name, value in found.items() if math.isfinite(value)}
