"""Small shipments whose every figure a reader can check by hand."""

from __future__ import annotations

from typing import Any

from fedsight.signals import Batch, Event, Sample, Shipment, Span, batch

SECOND = 10**9
START = 1_795_341_120 * SECOND
"""2026-11-22T09:52:00Z"""


def started(run: str, nodes: list[str], rounds: int = 2, **details: Any) -> Batch:
    """A run begins."""
    known = {"task": "digits", "engine": "simulation", "strategy": "fedavg"}
    what = {**known, "rounds": rounds, "nodes": nodes, "model_parameters": 10, "config": {"lr": 1}}
    return Batch(
        events=[Event(START, "federated", "RUN_STARTED", run, details={**what, **details})]
    )


def trained(run: str, number: int, nodes: list[str], accuracy: float = 0.5) -> Batch:
    """One round of one second in which each node i trained for 0.1 (i + 1) seconds."""
    begin = START + (number - 1) * SECOND
    end = begin + SECOND
    of_run = {"run": run}
    figures = {"fl_accuracy": accuracy, "fl_eval_loss": 1 - accuracy, "fl_train_loss": 0.25}
    figures |= {"fl_round_duration_seconds": 1.0, "fl_round_selected": len(nodes)}
    figures |= {"fl_round_participants": len(nodes), "fl_round_failures": 0}
    figures |= {"fl_samples_per_round": 10 * len(nodes), "fl_round_payload_down_bytes": 100}
    figures |= {"fl_round_payload_up_bytes": 90}
    samples = [Sample(end, name, value, number, of_run) for name, value in figures.items()]
    spans = [Span(run, number, None, "aggregate", end - 1000, end)]
    for at, node in enumerate(nodes):
        labels = {"run": run, "node": node}
        seconds = (at + 1) / 10
        samples.append(Sample(end, "fl_client_train_seconds", seconds, number, labels))
        samples.append(Sample(end, "fl_client_samples", 10.0, number, labels))
        samples.append(Sample(end, "fl_client_train_accuracy", 0.5, number, labels))
        spans.append(Span(run, number, node, "train", begin + at, begin + at + SECOND // 10))
    events = [
        Event(begin, "federated", "ROUND_STARTED", run, number, details={"selected": nodes}),
        Event(end, "federated", "ROUND_COMPLETED", run, number),
    ]
    return batch(samples, events, spans)


def ended(run: str, state: str = "finished", reason: str | None = None, at: int = 0) -> Batch:
    """A run ends."""
    details = {"state": state, "reason": reason}
    return Batch(events=[Event(START + at, "federated", "RUN_ENDED", run, details=details)])


def failed(run: str, number: int, node: str, kind: str, message: str) -> Batch:
    """A client whose update is not in the round."""
    details = {"message": message}
    return Batch(events=[Event(START, "federated", kind, run, number, node, details)])


def whole_run(run: str, nodes: list[str], rounds: int = 2) -> list[Batch]:
    """A run from beginning to end: one record, then one a round, then one."""
    middle = [trained(run, n, nodes, n / (2 * rounds)) for n in range(1, rounds + 1)]
    return [started(run, nodes, rounds), *middle, ended(run, at=rounds * SECOND)]


def shipment(
    journal: str, records: list[Batch], first_seq: int = 1, oldest_seq: int = 1
) -> Shipment:
    """Records on their way."""
    return Shipment(journal, first_seq, oldest_seq, records)
