"""The current run's figures, as Prometheus wants them: pure functions."""

from __future__ import annotations

from fedsight.door.exposition import Family, Figure
from fedsight.federated.api.counters import Counters
from fedsight.federated.api.history import RoundFacts
from fedsight.federated.api.runs import Current
from fedsight.federated.api.status import known_nodes
from fedsight.federated.refusals import REFUSALS


def families(current: Current | None, counters: Counters) -> list[Family]:
    """Counters since the server started, and gauges of the current run; a figure that was not
    measured has no line."""
    return [
        _counter("fl_rounds_completed_total", "Rounds completed.", counters.completed),
        _counter("fl_rounds_failed_total", "Rounds without any update.", counters.failed),
        *_gauges(current),
        Family(
            "fl_round_duration_seconds",
            "histogram",
            "From choosing the nodes to the last evaluation.",
            counters.seconds.figures(),
        ),
    ]


def _gauges(current: Current | None) -> list[Family]:
    if current is None:
        return []
    opening, best = current.history.opening, current.history.best_accuracy
    seen = current.seen
    total = len(seen.nodes) if seen is not None else known_nodes(current)
    last = next(iter(current.history.last(1)), None)
    of_round = [] if last is None else _of_round(last)
    return [
        *of_round,
        Family(
            REFUSALS,
            "counter",
            "How often policy said no in the current run.",
            tuple(Figure(count, labels) for labels, count in current.history.refusals()),
        ),
        _gauge("fl_best_accuracy", "The run's best accuracy.", best),
        _gauge("fl_total_clients", "Nodes known.", total),
        _gauge("fl_model_parameters", "Parameters of the model.", opening.model_parameters),
    ]


def _of_round(last: RoundFacts) -> list[Family]:
    return [
        _gauge("fl_train_loss", "Nodes' mean training loss.", last.train_loss),
        _gauge("fl_eval_loss", "Held-out loss of the global model.", last.loss),
        _gauge("fl_accuracy", "Held-out accuracy of the global model.", last.accuracy),
        _gauge("fl_active_clients", "Nodes that trained in the last round.", last.participants),
        _gauge("fl_samples_per_round", "Samples behind the last round.", last.samples),
    ]


def _gauge(name: str, about: str, value: float | None) -> Family:
    return Family(name, "gauge", about, () if value is None else (Figure(value),))


def _counter(name: str, about: str, value: int) -> Family:
    return Family(name, "counter", about, (Figure(value),))
