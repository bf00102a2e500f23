"""The end of a run whose nodes want models of their own: they tune the best, and tell figures."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from flwr.app import Message, MessageType, MetricRecord, RecordDict

from fedsight.federated import codec
from fedsight.federated.flat import Vector
from fedsight.federated.node.client import CONFIG, METRICS, NUM_EXAMPLES
from fedsight.federated.node.personal import AFTER, BEFORE, KEPT, Tuning
from fedsight.federated.node.validating import LOSS, taken
from fedsight.federated.observation import Validation
from fedsight.federated.validation import mean
from fedsight.federated.wrapping import MOST_SAMPLES
from fedsight.signals import Batch, Event, Json, Sample, batch

#: What names of figures begin with: of the shared model on the node, and of the node's own.
BEFORE_METRIC, AFTER_METRIC = "fl_personal_before_", "fl_personal_after_"
#: So many nodes that could not tune are named.
MOST_NAMED = 100


@dataclass(frozen=True)
class Tuned:
    """One node: what it found of the shared model and of its own, and whether it keeps that."""

    node: str
    before: Validation
    after: Validation
    kept: bool


@dataclass(frozen=True)
class Personal:
    """All nodes' answers, after tuning the model of `round`; `failed` says why others have none."""

    round: int
    tuned: tuple[Tuned, ...] = ()
    failed: Mapping[str, str] = field(default_factory=dict)

    @property
    def kept(self) -> int:
        """How many nodes keep a model of their own."""
        return sum(one.kept for one in self.tuned)

    @property
    def before(self) -> Mapping[str, float]:
        """The shared model's figures, the mean over nodes weighted by samples."""
        return mean(one.before for one in self.tuned)

    @property
    def after(self) -> Mapping[str, float]:
        """The same of what each node uses from now on: its own model where it keeps one."""
        return mean(one.after if one.kept else one.before for one in self.tuned)


def asked(vector: Vector, tuning: Tuning, nodes: Iterable[int]) -> list[Message]:
    """What the nodes are asked."""
    content = RecordDict({codec.ARRAYS: codec.pack(vector), CONFIG: tuning.config()})
    return [Message(content, node_id, MessageType.EVALUATE) for node_id in nodes]


def answered(
    replies: Iterable[Message],
    tuning: Tuning,
    names: tuple[str, ...],
    name: Callable[[int], str],
    lost: Mapping[str, str],
) -> Personal:
    """What came of it; `lost` says why nodes did not answer. Only figures of those names count,
    beside loss and accuracy."""
    tuned, failed = list[Tuned](), dict(lost)
    for reply in replies:
        node = name(reply.metadata.src_node_id)
        found = _read(node, reply, names)
        if isinstance(found, str):
            failed[node] = found
        else:
            tuned.append(found)
    return Personal(tuning.round, tuple(tuned), failed)


def _read(node: str, reply: Message, names: tuple[str, ...]) -> Tuned | str:
    if reply.has_error():
        return reply.error.reason or "the node failed"
    metrics = reply.content.get(METRICS)
    if not isinstance(metrics, MetricRecord):
        return "the answer holds no figures"
    samples, kept = metrics.get(NUM_EXAMPLES), metrics.get(KEPT)
    if not isinstance(samples, int) or not 0 < samples <= MOST_SAMPLES:
        return f"the answer stands for {samples!r} samples"
    before, after = (
        Validation(samples, taken(_without(metrics, prefix), names)) for prefix in (BEFORE, AFTER)
    )
    return Tuned(node, before, after, kept == 1)


def _without(metrics: Mapping[str, object], prefix: str) -> dict[str, object]:
    return {
        key.removeprefix(prefix): value for key, value in metrics.items() if key.startswith(prefix)
    }


def told(personal: Personal, run: str, source: str) -> Batch:
    """What is journaled: each node's figures of before and after, and one event."""
    now = time.time_ns()
    samples = [
        Sample(now, name, value, personal.round, {"run": run, "node": one.node})
        for one in personal.tuned
        for name, value in _samples(one)
    ]
    details: dict[str, Json] = {
        "message": said(personal),
        "nodes": len(personal.tuned),
        "kept": personal.kept,
        "before": dict(personal.before),
        "after": dict(personal.after),
        "failed": dict(list(personal.failed.items())[:MOST_NAMED]),
    }
    event = Event(now, source, "MODELS_PERSONALISED", run, personal.round, None, details)
    return batch(samples, [event])


def _samples(one: Tuned) -> Iterable[tuple[str, float]]:
    for prefix, found in ((BEFORE_METRIC, one.before), (AFTER_METRIC, one.after)):
        yield from ((f"{prefix}{name}", value) for name, value in found.figures.items())
    yield "fl_personal_kept", float(one.kept)


def said(personal: Personal) -> str:
    """In one line."""
    nodes = len(personal.tuned)
    lost = f"; {len(personal.failed)} nodes could not" if personal.failed else ""
    before, after = personal.before.get(LOSS), personal.after.get(LOSS)
    change = "" if before is None or after is None else f"; loss {before:.4f} -> {after:.4f}"
    return (
        f"{personal.kept} of {nodes} nodes keep a model of their own, tuned from round"
        f" {personal.round}{change}{lost}"
    )
