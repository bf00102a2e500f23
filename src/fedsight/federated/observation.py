"""What one round gave, and the signals it becomes: pure data and pure functions."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from fedsight.federated.scrutiny import Verdict
from fedsight.signals import Batch, Event, Json, Phase, SampleColumns, Series, Span

SOURCE = "federated"

Status = Literal["trained", "failed", "rejected", "no_reply"]

_KIND: dict[Status, str] = {
    "failed": "CLIENT_FAILED",
    "rejected": "UPDATE_REJECTED",
    "no_reply": "CLIENT_SILENT",
}


@dataclass(frozen=True)
class Period:
    """From `start` to `end`, Unix nanoseconds on the server's clock."""

    start: int
    end: int


@dataclass(frozen=True)
class Turn:
    """When a node did what in one round; None for what is not known.

    `download` is the model on its way to the node, `train` from then until its answer began to
    arrive, `upload` the answer on its way.
    """

    download: Period | None = None
    train: Period | None = None
    upload: Period | None = None

    @property
    def start(self) -> int | None:
        """When the node's turn began, where that is known."""
        known = [one.start for one in (self.download, self.train, self.upload) if one is not None]
        return min(known, default=None)

    @property
    def end(self) -> int | None:
        """When the last that is known of it ended."""
        known = [one.end for one in (self.download, self.train, self.upload) if one is not None]
        return max(known, default=None)


#: Of a node of which nobody knows when it worked.
NO_TURN = Turn()


@dataclass
class NodeRound:
    """One selected node in one round. A figure that was not measured is None.

    `turn` is when the node worked, where the grid knows; `payload_*` are bytes of serialised
    arrays; `reason` says why a node did not contribute; `verdict` is what its update looked like
    beside the others'.
    """

    node: str
    status: Status = "no_reply"
    reason: str | None = None
    turn: Turn | None = None
    samples: int | None = None
    train_loss: float | None = None
    train_accuracy: float | None = None
    train_seconds: float | None = None
    cpu_seconds: float | None = None
    payload_down_bytes: int | None = None
    payload_up_bytes: int | None = None
    verdict: Verdict | None = None


@dataclass(frozen=True)
class Validation:
    """What one node found of a model: over how many samples, and its figures by name."""

    samples: int
    figures: Mapping[str, float]


@dataclass
class RoundRecord:
    """One round of a run, filled in as it goes.

    `figures` are the evaluation's beyond loss and accuracy; `validations` what each node found,
    where nodes evaluate, and `unvalidated` why nodes that were asked did not.
    """

    run: str
    round: int
    started: int
    ended: int = 0
    nodes: list[NodeRound] = field(default_factory=list)
    aggregate: Period | None = None
    evaluate: Period | None = None
    train_loss: float | None = None
    accuracy: float | None = None
    loss: float | None = None
    figures: Mapping[str, float] = field(default_factory=dict)
    validations: dict[str, Validation] = field(default_factory=dict)
    unvalidated: dict[str, str] = field(default_factory=dict)
    evaluation_down_bytes: int = 0
    evaluation_up_bytes: int = 0

    @property
    def down_bytes(self) -> int:
        """Payload sent to nodes, to train and to evaluate."""
        return _total(node.payload_down_bytes for node in self.nodes) + self.evaluation_down_bytes

    @property
    def up_bytes(self) -> int:
        """Payload that came from nodes."""
        return _total(node.payload_up_bytes for node in self.nodes) + self.evaluation_up_bytes

    @property
    def seconds(self) -> float:
        """From choosing the nodes to the last evaluation."""
        return (self.ended - self.started) / 1e9

    @property
    def trained(self) -> list[NodeRound]:
        """Nodes whose update was averaged in."""
        return [node for node in self.nodes if node.status == "trained"]


#: What names of figures that the task chose begin with: of a round, and of a node in it.
EVALUATED, CLIENT_EVALUATED = "fl_eval_", "fl_client_eval_"
#: Of so many nodes of a round it is told how their updates looked.
MOST_JUDGED = 2000


class Translator:
    """Turns rounds of one run into journal batches; keeps the series it has named before."""

    def __init__(self, run: str) -> None:
        self._run = run
        self._series: dict[str | None, dict[str, Series]] = {}

    def batch(self, record: RoundRecord) -> Batch:
        """Everything that the round gave as one batch: one journal record."""
        series: list[Series] = []
        values: list[float] = []
        for node, figures in _all_figures(record):
            known = self._series.setdefault(node, {})
            for name, value in figures:
                if value is not None and math.isfinite(value):
                    series.append(known.get(name) or self._named(known, name, node))
                    values.append(value)
        count = len(values)
        times, rounds = [record.ended] * count, [record.round] * count
        columns = SampleColumns(series, list(range(count)), times, values, list(rounds))
        return Batch(columns, list(_events(record)), list(_spans(record)))

    def _named(self, known: dict[str, Series], name: str, node: str | None) -> Series:
        labels = {"run": self._run} if node is None else {"run": self._run, "node": node}
        known[name] = Series(name, labels)
        return known[name]


Figures = Iterator[tuple[str, float | None]]


def _all_figures(record: RoundRecord) -> Iterator[tuple[str | None, Figures]]:
    """Figures of the round itself, then of each node by its name."""
    yield None, _round_figures(record)
    for node in record.nodes:
        yield node.node, _node_figures(node, record)
    for node, verdict in _judged(record.nodes):
        yield node.node, _update_figures(verdict)
    for name, found in record.validations.items():
        yield name, _named_figures(CLIENT_EVALUATED, found.figures)


def _round_figures(record: RoundRecord) -> Figures:
    trained = record.trained
    yield "fl_accuracy", record.accuracy
    yield "fl_eval_loss", record.loss
    yield from _named_figures(EVALUATED, record.figures)
    yield "fl_train_loss", record.train_loss
    yield "fl_round_duration_seconds", record.seconds
    yield "fl_round_selected", len(record.nodes)
    yield "fl_round_participants", len(trained)
    yield "fl_round_failures", len(record.nodes) - len(trained)
    yield "fl_samples_per_round", _total(node.samples for node in trained)
    yield "fl_round_payload_down_bytes", record.down_bytes
    yield "fl_round_payload_up_bytes", record.up_bytes


def _node_figures(node: NodeRound, record: RoundRecord) -> Figures:
    yield "fl_client_train_seconds", node.train_seconds
    yield "fl_client_cpu_seconds", node.cpu_seconds
    turn = node.turn or NO_TURN
    yield "fl_client_queued_seconds", _seconds(_queued(turn, record))
    yield "fl_client_download_seconds", _seconds(turn.download)
    yield "fl_client_upload_seconds", _seconds(turn.upload)
    yield "fl_client_samples", node.samples
    yield "fl_client_train_loss", node.train_loss
    yield "fl_client_train_accuracy", node.train_accuracy
    yield "fl_client_payload_down_bytes", node.payload_down_bytes
    yield "fl_client_payload_up_bytes", node.payload_up_bytes


def _named_figures(prefix: str, figures: Mapping[str, float]) -> Figures:
    """Figures by names that the task gave them."""
    for name, value in figures.items():
        yield f"{prefix}{name}", value


def _update_figures(verdict: Verdict) -> Figures:
    yield "fl_client_update_norm", verdict.look.norm
    yield "fl_client_update_cosine", verdict.look.cosine
    yield "fl_client_update_score", verdict.score


def _judged(nodes: Sequence[NodeRound]) -> list[tuple[NodeRound, Verdict]]:
    """The nodes of whose updates is told: where there are many, those that became suspected or were
    cleared, and those with the highest scores, since a round is one record."""
    found = [(node, node.verdict) for node in nodes if node.verdict is not None]
    if len(found) > MOST_JUDGED:
        found.sort(key=lambda one: (one[1].changed, one[1].score or 0.0), reverse=True)
    return found[:MOST_JUDGED]


def _queued(turn: Turn, record: RoundRecord) -> Period | None:
    """From the round's start to the turn's; None for one that was asked in an earlier round, or
    that seems to begin before, by as much as two machines' clocks differ."""
    if turn.start is None or turn.start < record.started:
        return None
    return Period(record.started, turn.start)


def _seconds(period: Period | None) -> float | None:
    return None if period is None else (period.end - period.start) / 1e9


def _total(values: Iterator[int | None]) -> int:
    """The sum of what is known."""
    return sum(value for value in values if value is not None)


def _events(record: RoundRecord) -> Iterator[Event]:
    def event(time: int, kind: str, details: dict[str, Json], node: str | None = None) -> Event:
        return Event(time, SOURCE, kind, record.run, record.round, node, details)

    selected: Json = [node.node for node in record.nodes]
    yield event(record.started, "ROUND_STARTED", {"selected": selected})
    for node in record.nodes:
        if node.status != "trained":
            end = (node.turn or NO_TURN).end or record.ended
            yield event(end, _KIND[node.status], {"message": node.reason or "no reply"}, node.node)
    for name, reason in record.unvalidated.items():
        yield event(record.ended, "EVALUATION_FAILED", {"message": reason}, name)
    for node, verdict in _judged(record.nodes):
        if verdict.changed:
            kind = "UPDATE_SUSPECTED" if verdict.suspected else "UPDATE_CLEARED"
            yield event(record.ended, kind, verdict.details(), node.node)
    if record.trained:
        yield event(record.ended, "ROUND_COMPLETED", _doubts(record))
    else:
        message = f"none of {len(record.nodes)} nodes returned a usable update; the model stays"
        yield event(record.ended, "ROUND_FAILED", {"message": message})


def _doubts(record: RoundRecord) -> dict[str, Json]:
    if record.loss is not None and not math.isfinite(record.loss):
        return {"message": f"held-out loss is not a finite number: {record.loss}"}
    return {}


def _spans(record: RoundRecord) -> Iterator[Span]:
    def span(node: str | None, phase: Phase, start: int, end: int, ok: bool = True) -> Span:
        return Span(record.run, record.round, node, phase, start, end, ok)

    for node in record.nodes:
        turn, ok = node.turn or NO_TURN, node.status == "trained"
        queued = _queued(turn, record)
        if queued is not None:
            yield span(node.node, "queued", queued.start, queued.end)
        if turn.download is not None:
            yield span(node.node, "download", turn.download.start, turn.download.end)
        if turn.train is not None:
            yield span(node.node, "train", turn.train.start, turn.train.end, ok)
        if turn.upload is not None:
            yield span(node.node, "upload", turn.upload.start, turn.upload.end)
    if record.aggregate is not None:
        yield span(None, "aggregate", record.aggregate.start, record.aggregate.end)
    if record.evaluate is not None:
        yield span(None, "evaluate", record.evaluate.start, record.evaluate.end)
