"""What apps of all kinds report of themselves, by the names that are usual for it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import cast

from flwr.app import MetricRecord, RecordDict

#: Names as they are once `-` is `_` and all is small; the first that is there counts.
SAMPLES = ("num_examples", "num_samples")
TRAIN_LOSS = ("train_loss", "training_loss", "loss")
TRAIN_ACCURACY = ("train_accuracy", "train_acc", "accuracy", "acc")
EVAL_LOSS = ("eval_loss", "val_loss", "test_loss", "loss")
EVAL_ACCURACY = (
    "eval_accuracy",
    "eval_acc",
    "val_accuracy",
    "val_acc",
    "test_accuracy",
    "test_acc",
    "accuracy",
    "acc",
)

#: Where apps of the older kind put their figures, and whether they could work.
_OLD_METRICS = ("fitres.metrics", "evaluateres.metrics")
_OLD_STATUS = ("fitres.status", "evaluateres.status")

Figures = Mapping[str, float]


@dataclass(frozen=True)
class Weighed:
    """A node's loss and accuracy, and over how many samples."""

    samples: int | None
    loss: float | None
    accuracy: float | None


def of(content: RecordDict) -> Figures:
    """Every single number in a message's metrics, by its name."""
    found: dict[str, float] = {}
    for record in content.metric_records.values():
        found |= of_record(record)
    for name in _OLD_METRICS:
        if name in content.config_records:
            found |= _numbers(content.config_records[name])
    return found


def of_record(record: MetricRecord | None) -> Figures:
    """Every single number in a record."""
    return {} if record is None else _numbers(record)


def first(figures: Figures, names: Iterable[str]) -> float | None:
    """The first of those that is there."""
    return next((figures[name] for name in names if name in figures), None)


def samples(figures: Figures) -> int | None:
    """How many samples a node says it used."""
    found = first(figures, SAMPLES)
    whole = found is not None and math.isfinite(found) and found >= 0 and found == int(found)
    return int(cast(float, found)) if whole else None


def mean(values: Iterable[tuple[int | None, float | None]]) -> float | None:
    """The mean of (samples, value) by samples; None where one of them is not known."""
    known = list(values)
    total = sum(count or 0 for count, _ in known)
    if not total or any(count is None or value is None for count, value in known):
        return None
    return sum((count or 0) * (value or 0.0) for count, value in known) / total


def refusal(content: RecordDict) -> str | None:
    """What a node of the older kind says where it could not work."""
    for name in _OLD_STATUS:
        status = content.config_records.get(name)
        if status is not None and status.get("code") != 0:
            message = status.get("message")
            return message if isinstance(message, str) and message else "the client failed"
    return None


def _numbers(record: Mapping[str, object]) -> dict[str, float]:
    return {
        name.lower().replace("-", "_"): float(value)
        for name, value in record.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    }
