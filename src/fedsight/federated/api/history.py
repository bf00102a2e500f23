"""What one run has measured so far, read from the same batches that its journal keeps."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from fedsight.federated.refusals import REFUSALS
from fedsight.signals import Batch, Event, Sample, samples_of

#: Older rounds of a very long run are told by the collector alone.
MOST_ROUNDS = 100_000

COMPLETED, FAILED = "ROUND_COMPLETED", "ROUND_FAILED"
PAYLOADS = ("fl_round_payload_down_bytes", "fl_round_payload_up_bytes")
#: What became of a node that did not contribute, by the event that tells it.
MISSED = {"CLIENT_FAILED": "failed", "UPDATE_REJECTED": "rejected", "CLIENT_SILENT": "no_reply"}


@dataclass(frozen=True)
class RoundFacts:
    """One round that is over. Times are Unix nanoseconds; what was not measured is None.

    `payload_bytes` went both ways; `model_bytes` is what one node was sent.
    """

    round: int
    ok: bool
    ended: int
    started: int | None = None
    seconds: float | None = None
    accuracy: float | None = None
    loss: float | None = None
    train_loss: float | None = None
    participants: int | None = None
    samples: int | None = None
    payload_bytes: int | None = None
    model_bytes: int | None = None


@dataclass(frozen=True)
class ClientFacts:
    """What one node did in the run so far; `last_*` are of the last round that it trained in."""

    rounds: int = 0
    failures: int = 0
    last_round: int | None = None
    last_status: str | None = None
    last_loss: float | None = None
    last_accuracy: float | None = None
    last_seconds: float | None = None
    samples: int | None = None


@dataclass(frozen=True)
class RefusedFacts:
    """The policy's newest no to a node: in which round, for what, and why."""

    round: int | None
    action: str
    reason: str


@dataclass(frozen=True)
class Opening:
    """What the run told of itself as it began."""

    nodes: tuple[str, ...] = ()
    model_parameters: int | None = None


@dataclass
class _Gathered:
    """The figures of one batch: by name for the round, by node and name for its nodes."""

    of_round: dict[str, float] = field(default_factory=dict)
    of_node: dict[str, dict[str, float]] = field(default_factory=dict)


class History:
    """One run's rounds and nodes. One thread notes, any may read."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rounds: deque[RoundFacts] = deque(maxlen=MOST_ROUNDS)
        self._clients: dict[str, ClientFacts] = {}
        self._opening = Opening()
        self._best: float | None = None
        self._refused: dict[str, RefusedFacts] = {}
        self._refusals: dict[tuple[tuple[str, str], ...], float] = {}
        self._version: str | None = None

    def note(self, batch: Batch) -> RoundFacts | None:
        """Take in what the run recorded; returns the round that ended with it, if one did."""
        found = _round(batch)
        with self._lock:
            for event in batch.events:
                if event.kind == "RUN_STARTED":
                    self._opening = _opening(event)
                elif event.kind == "CLIENT_REFUSED" and event.node is not None:
                    self._refused[event.node] = _refused(event)
                elif event.kind == "RUN_GOVERNED":
                    self._version = str(event.details.get("version"))
            for sample in _samples(batch):
                if sample.name == REFUSALS:
                    labels = {name: is_ for name, is_ in sample.labels.items() if name != "run"}
                    self._refusals[tuple(labels.items())] = sample.value
            if found is not None:
                self._rounds.append(found)
                self._clients.update(self._changed(batch, found.round))
                known = [one for one in (self._best, found.accuracy) if one is not None]
                self._best = max(known, default=None)
        return found

    @property
    def opening(self) -> Opening:
        """What the run told of itself as it began."""
        return self._opening

    @property
    def best_accuracy(self) -> float | None:
        """The best accuracy so far."""
        return self._best

    @property
    def policy_version(self) -> str | None:
        """The version of the policy set that decides on the run; None where none does."""
        return self._version

    def rounds(self) -> list[RoundFacts]:
        """All rounds that are over, in order."""
        with self._lock:
            return list(self._rounds)

    def last(self, count: int) -> list[RoundFacts]:
        """The last `count` rounds, in order."""
        with self._lock:
            size = len(self._rounds)
            return [self._rounds[at] for at in range(max(0, size - count), size)]

    def clients(self) -> dict[str, ClientFacts]:
        """Every node that was ever asked to train, by name."""
        with self._lock:
            return dict(self._clients)

    def refused(self) -> dict[str, RefusedFacts]:
        """The policy's newest no to each node to which it said one, by name."""
        with self._lock:
            return dict(self._refused)

    def refusals(self) -> list[tuple[dict[str, str], float]]:
        """How often policy said no so far, by `node`, `action` and `rule`."""
        with self._lock:
            return [(dict(labels), count) for labels, count in self._refusals.items()]

    def _changed(self, batch: Batch, round: int) -> Iterator[tuple[str, ClientFacts]]:
        figures = _gathered(batch).of_node
        missed = {event.node: MISSED[event.kind] for event in batch.events if event.kind in MISSED}
        for node in {*figures, *missed}:
            if node is None:
                continue
            before = self._clients.get(node, ClientFacts())
            status = missed.get(node)
            if status is not None:
                after = replace(before, failures=before.failures + 1, last_status=status)
            elif "fl_client_samples" in figures[node] or "fl_client_train_loss" in figures[node]:
                after = _trained(before, figures[node], round)
            else:
                continue
            yield node, after


def _trained(before: ClientFacts, figures: dict[str, float], round: int) -> ClientFacts:
    return ClientFacts(
        rounds=before.rounds + 1,
        failures=before.failures,
        last_round=round,
        last_status="trained",
        last_loss=figures.get("fl_client_train_loss"),
        last_accuracy=figures.get("fl_client_train_accuracy"),
        last_seconds=figures.get("fl_client_train_seconds"),
        samples=_whole(figures.get("fl_client_samples")),
    )


def _round(batch: Batch) -> RoundFacts | None:
    ends = [event for event in batch.events if event.kind in (COMPLETED, FAILED)]
    if not ends or ends[-1].round is None:
        return None
    end = ends[-1]
    assert end.round is not None
    starts = [event.time for event in batch.events if event.kind == "ROUND_STARTED"]
    gathered = _gathered(batch)
    figures = gathered.of_round
    sent = [
        bytes_down
        for node in gathered.of_node.values()
        if (bytes_down := node.get("fl_client_payload_down_bytes"))
    ]
    ways = [figures.get(name) for name in PAYLOADS]
    return RoundFacts(
        round=end.round,
        ok=end.kind == COMPLETED,
        ended=end.time,
        started=starts[-1] if starts else None,
        seconds=figures.get("fl_round_duration_seconds"),
        accuracy=figures.get("fl_accuracy"),
        loss=figures.get("fl_eval_loss"),
        train_loss=figures.get("fl_train_loss"),
        participants=_whole(figures.get("fl_round_participants")),
        samples=_whole(figures.get("fl_samples_per_round")),
        payload_bytes=_whole(sum(way for way in ways if way is not None)) if any(ways) else None,
        model_bytes=_whole(max(sent, default=None)),
    )


def _gathered(batch: Batch) -> _Gathered:
    found = _Gathered()
    for sample in _samples(batch):
        node = sample.labels.get("node")
        where = found.of_round if node is None else found.of_node.setdefault(node, {})
        where[sample.name] = sample.value
    return found


def _samples(batch: Batch) -> list[Sample]:
    return samples_of(batch.samples)


def _refused(event: Event) -> RefusedFacts:
    told = event.details
    return RefusedFacts(event.round, str(told.get("action")), str(told.get("message")))


def _opening(event: Event) -> Opening:
    nodes = event.details.get("nodes")
    parameters = event.details.get("model_parameters")
    return Opening(
        tuple(str(node) for node in nodes) if isinstance(nodes, list) else (),
        parameters if isinstance(parameters, int) else None,
    )


def _whole(value: float | None) -> int | None:
    return None if value is None else int(value)
