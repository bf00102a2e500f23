"""Federations for the browser tests: real shipments over HTTP to a real collector.

The figures come from a seeded generator and exist in tests alone. A federation is told by its
numbers of rounds and nodes; one client raises, one update is rejected, one node keeps silent.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import cast

import httpx
import msgspec

from fedsight.signals import Batch, Event, Phase, Sample, Shipment, Span, batch

SECOND = 1_000_000_000
FAILING, REJECTED, SILENT, SLOW = 3, 5, 7, 2
MODEL_BYTES = 228_000
#: In a deployment: what a download and an upload take, as shares of the training.
DOWN, UP = 0.2, 0.3
SLOW_LINK = 4


@dataclass
class Federation:
    """One run as it would be journalled, round by round."""

    run: str
    rounds: int
    nodes: int
    start: int
    fraction: float = 0.75
    round_seconds: float = 2.0
    seed: int = 1
    engine: str = "simulation"
    named: bool = True
    #: What the run was told, besides `alpha` and its seed.
    config: dict[str, float | int | str] = field(default_factory=dict)
    seq: int = field(default=1, init=False)
    round: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)
        self._pace = [self._random.uniform(0.08, 0.12) for _ in range(self.nodes)]
        self._samples = [self._random.randint(200, 600) for _ in range(self.nodes)]
        self._pace[SLOW] *= 4

    @property
    def names(self) -> list[str]:
        return [f"client-{index}" for index in range(self.nodes)]

    def started(self) -> Batch:
        details = {
            "task": "mnist",
            "engine": self.engine,
            "strategy": "fedavg",
            "rounds": self.rounds,
            "nodes": self.names if self.named else [],
            "model_parameters": 57_000,
            "config": {"alpha": 0.5, "seed": self.seed, **self.config},
        }
        return Batch(events=[self._event(self.start, "RUN_STARTED", None, None, details)])

    def next_round(self) -> Batch:
        """The record of the round that comes next."""
        self.round += 1
        began = self.start + int(self.round * self.round_seconds * SECOND)
        chosen = self._chosen()
        events = [self._event(began, "ROUND_STARTED", self.round, None, {"selected": chosen})]
        samples: list[Sample] = []
        spans: list[Span] = []
        queued, trained = 0.0, 0
        for index in sorted(int(name.split("-")[1]) for name in chosen):
            trouble = self._trouble(index)
            took = self._pace[index] * self._random.uniform(0.95, 1.05)
            if trouble:
                events.append(self._event(began, *trouble))
            if trouble is None or trouble[0] == "UPDATE_REJECTED":
                samples += self._client_samples(began, index, took, queued)
                spans += self._client_spans(began, index, queued, took)
                queued = queued + took if self.engine == "simulation" else 0.5
            trained += trouble is None
        failures = len(chosen) - trained
        samples += self._round_samples(began, queued + 0.05, len(chosen), trained, failures)
        spans += self._server_spans(began, queued)
        events.append(self._event(began, "ROUND_COMPLETED", self.round, None, {}))
        return batch(samples, events, spans)

    def told(self, kind: str, node: str | None = None, **details: object) -> Batch:
        """Something that happens in the round that is not over yet."""
        at = self.start + int((self.round + 1) * self.round_seconds * SECOND)
        return Batch(events=[self._event(at, kind, self.round + 1, node, details)])

    def ended(self) -> Batch:
        at = self.start + int((self.round + 1) * self.round_seconds * SECOND)
        details = {"state": "finished", "reason": None}
        return Batch(events=[self._event(at, "RUN_ENDED", None, None, details)])

    def shipment(self, *records: Batch) -> Shipment:
        sent = Shipment(self.run, self.seq, 1, list(records))
        self.seq += len(records)
        return sent

    def _event(
        self, time: int, kind: str, round: int | None, node: str | None, details: dict[str, object]
    ) -> Event:
        return Event(time, "federated", kind, self.run, round, node, details)

    def _chosen(self) -> list[str]:
        many = max(1, round(self.nodes * self.fraction))
        return self._random.sample(self.names, many)

    def _trouble(self, index: int) -> tuple[str, int, str, dict[str, object]] | None:
        node = f"client-{index}"
        if index == FAILING and self.round % 3 == 0:
            return "CLIENT_FAILED", self.round, node, {"message": "CUDA out of memory"}
        if index == REJECTED and self.round % 4 == 0:
            return "UPDATE_REJECTED", self.round, node, {"message": "update holds NaN"}
        if index == SILENT and self.round > self.rounds // 2:
            return "CLIENT_SILENT", self.round, node, {"message": "no reply within 30 s"}
        return None

    def _client_samples(self, time: int, index: int, took: float, queued: float) -> list[Sample]:
        labels = {"run": self.run, "node": f"client-{index}"}
        progress = self.round / (self.round + 4)
        figures = {
            "fl_client_train_seconds": took,
            "fl_client_cpu_seconds": took * 0.98,
            "fl_client_queued_seconds": queued,
            "fl_client_samples": float(self._samples[index]),
            "fl_client_train_loss": (1 - progress) * self._random.uniform(1.5, 2.2),
            "fl_client_train_accuracy": progress * self._random.uniform(0.9, 1.0),
            "fl_client_payload_down_bytes": float(MODEL_BYTES),
            "fl_client_payload_up_bytes": float(MODEL_BYTES),
        }
        if self.engine == "deployment":
            del figures["fl_client_queued_seconds"]
            figures["fl_client_download_seconds"] = took * DOWN
            figures["fl_client_upload_seconds"] = took * (UP if index != SLOW_LINK else 4 * UP)
        return [Sample(time, name, value, self.round, labels) for name, value in figures.items()]

    def _round_samples(
        self, time: int, took: float, selected: int, trained: int, failures: int
    ) -> list[Sample]:
        progress = self.round / (self.round + 4)
        figures = {
            "fl_accuracy": progress * self._random.uniform(0.96, 0.98),
            "fl_eval_loss": (1 - progress) * self._random.uniform(1.9, 2.1),
            "fl_train_loss": (1 - progress) * 1.8,
            "fl_round_duration_seconds": took,
            "fl_round_selected": float(selected),
            "fl_round_participants": float(trained),
            "fl_round_failures": float(failures),
            "fl_samples_per_round": float(trained * 400),
            "fl_round_payload_down_bytes": float(selected * MODEL_BYTES),
            "fl_round_payload_up_bytes": float(trained * MODEL_BYTES),
        }
        labels = {"run": self.run}
        return [Sample(time, name, value, self.round, labels) for name, value in figures.items()]

    def _client_spans(self, began: int, index: int, queued: float, took: float) -> Iterator[Span]:
        node = f"client-{index}"
        if self.engine == "deployment":
            at = began
            for phase, share in (("download", DOWN), ("train", 1.0), ("upload", UP)):
                share *= 4 if phase == "upload" and index == SLOW_LINK else 1
                end = at + int(took * share * SECOND)
                yield Span(self.run, self.round, node, cast(Phase, phase), at, end)
                at = end
            return
        begin = began + int(queued * SECOND)
        yield Span(self.run, self.round, node, "queued", began, begin)
        yield Span(self.run, self.round, node, "train", begin, begin + int(took * SECOND))

    def _server_spans(self, began: int, replied: float) -> Iterator[Span]:
        at = began + int(replied * SECOND)
        middle, end = at + SECOND // 50, at + SECOND // 20
        yield Span(self.run, self.round, None, "aggregate", at, middle)
        yield Span(self.run, self.round, None, "evaluate", middle, end)


def ship(client: httpx.Client, shipment: Shipment) -> None:
    """Send a shipment; anything but acceptance is an error."""
    content = msgspec.json.encode(shipment)
    headers = {"content-type": "application/json"}
    client.post("/api/v1/ingest", content=content, headers=headers).raise_for_status()


def ship_all(client: httpx.Client, federation: Federation, upto: int, records: int = 20) -> None:
    """Send rounds until `upto`, several records a shipment."""
    if federation.seq == 1:
        ship(client, federation.shipment(federation.started()))
    while federation.round < upto:
        many = min(records, upto - federation.round)
        ship(client, federation.shipment(*(federation.next_round() for _ in range(many))))
