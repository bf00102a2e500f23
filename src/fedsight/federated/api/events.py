"""What happened, with ids to ask after: the run's own events under the names of the HTTP API."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from fedsight.signals import Batch, Event, Json, Span

SOURCE = "fl-server"
#: So many stay in memory; the collector has them all.
MOST_EVENTS = 10_000

#: Events of a run that the API calls otherwise.
CALLED = {
    "RUN_STARTED": "TRAINING_STARTED",
    "RUN_PAUSED": "TRAINING_PAUSED",
    "RUN_RESUMED": "TRAINING_RESUMED",
}
ENDED = {
    "finished": "TRAINING_COMPLETED",
    "failed": "TRAINING_FAILED",
    "stopped": "TRAINING_STOPPED",
    "interrupted": "TRAINING_STOPPED",
}
STOPPED_BY_POLICY = "TRAINING_STOPPED_BY_POLICY"
PHASES = {"aggregate": "AGGREGATION_COMPLETED", "evaluate": "EVALUATION_COMPLETED"}
#: Details that are long and that the collector tells.
LEFT_OUT = {"RUN_STARTED": ("config", "nodes"), "ROUND_STARTED": ("selected",)}


@dataclass(frozen=True)
class Happened:
    """One thing that happened. `time` is Unix nanoseconds, `id` grows, across restarts too."""

    id: int
    time: int
    kind: str
    run: str | None
    round: int | None
    node: str | None
    details: dict[str, Json]


class EventLog:
    """The newest events of this server. Safe to use from any thread.

    Ids begin at the microseconds since 1970 of its start: while there are fewer than a million a
    second, a reader's last id stays good across a restart.
    """

    def __init__(self, first_id: int | None = None) -> None:
        self._lock = threading.Lock()
        self._next = time.time_ns() // 1_000 if first_id is None else first_id
        self._kept: deque[Happened] = deque(maxlen=MOST_EVENTS)

    @property
    def last_id(self) -> int:
        """The newest event's id; one less than the first where nothing happened yet."""
        return self._next - 1

    def say(
        self,
        kind: str,
        details: dict[str, Json] | None = None,
        *,
        run: str | None = None,
        node: str | None = None,
    ) -> None:
        """Something happened to the server itself."""
        self.add(Event(time.time_ns(), SOURCE, kind, run, None, node, details or {}))

    def add(self, event: Event) -> None:
        """Keep it."""
        with self._lock:
            self._kept.append(
                Happened(
                    self._next,
                    event.time,
                    event.kind,
                    event.run,
                    event.round,
                    event.node,
                    event.details,
                )
            )
            self._next += 1

    def note(self, batch: Batch) -> None:
        """Keep what a run recorded, in the order in which it happened."""
        for event in sorted(translated(batch), key=lambda one: one.time):
            self.add(event)

    def since(self, last_id: int, limit: int) -> list[Happened]:
        """The oldest events after `last_id`, at most `limit`."""
        with self._lock:
            if not self._kept:
                return []
            begin = max(0, last_id + 1 - self._kept[0].id)
            end = min(len(self._kept), begin + limit)
            return [self._kept[at] for at in range(begin, end)]


def translated(batch: Batch) -> Iterator[Event]:
    """A run's batch as events of the API; phases of the server become events at their end."""
    figures = {
        series.name: value
        for at, value in zip(batch.samples.index, batch.samples.value, strict=True)
        if "node" not in (series := batch.samples.series[at]).labels
    }
    for span in batch.spans:
        if span.node is None and span.phase in PHASES:
            yield _phase(span, figures)
    for event in batch.events:
        kind = CALLED.get(event.kind, event.kind)
        if event.kind == "RUN_ENDED":
            kind = ENDED.get(str(event.details.get("state")), event.kind)
            kind = STOPPED_BY_POLICY if event.details.get("by") == "policy" else kind
        out = LEFT_OUT.get(event.kind, ())
        details = {name: told for name, told in event.details.items() if name not in out}
        if event.kind == "ROUND_STARTED":
            details["clients"] = len(event.details.get("selected") or ())
        if event.kind == "ROUND_COMPLETED":
            details |= _of_round(figures)
        yield Event(event.time, SOURCE, kind, event.run, event.round, event.node, details)


def _phase(span: Span, figures: dict[str, float]) -> Event:
    details: dict[str, Json] = {"seconds": span.seconds}
    if span.phase == "evaluate":
        details |= {"accuracy": figures.get("fl_accuracy"), "loss": figures.get("fl_eval_loss")}
    else:
        details["clients"] = _count(figures, "fl_round_participants")
    return Event(span.end, SOURCE, PHASES[span.phase], span.run, span.round, None, details)


def _of_round(figures: dict[str, float]) -> dict[str, Json]:
    return {
        "accuracy": figures.get("fl_accuracy"),
        "loss": figures.get("fl_eval_loss"),
        "seconds": figures.get("fl_round_duration_seconds"),
        "clients": _count(figures, "fl_round_participants"),
    }


def _count(figures: dict[str, float], name: str) -> int | None:
    value = figures.get(name)
    return None if value is None else int(value)
