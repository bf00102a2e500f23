"""How a run tells what happens: the events that every run has, and where its models go."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

from fedsight.federated.observation import SOURCE
from fedsight.federated.rounds.control import Progressing
from fedsight.federated.rounds.watchdog import Stall
from fedsight.federated.versions import Metrics
from fedsight.signals import Batch, Event, Json

if TYPE_CHECKING:
    from torch import Tensor


class Recorder(Protocol):
    """Where a run's signals go: a journal."""

    def append(self, batch: Batch) -> int:
        """Keep the batch; returns its sequence number once it is on disk."""


class ModelKeeper(Protocol):
    """Where every round's global model goes."""

    def keep(self, round: int, state: Mapping[str, Tensor], metrics: Metrics) -> None:
        """Keep the model after `round`: its state dict's tensors, valid during the call only.

        Raises FedsightError where it cannot be kept; the run has then failed.
        """


class Nowhere:
    """Keeps no model."""

    def keep(self, round: int, state: Mapping[str, Tensor], metrics: Metrics) -> None:
        """Do nothing."""


class Telling:
    """Journals the events of one run; safe to use from any thread."""

    def __init__(self, journal: Recorder, run_id: str, progress: Progressing) -> None:
        self._journal = journal
        self._run_id = run_id
        self._progress = progress

    def event(
        self,
        kind: str,
        details: Mapping[str, Json],
        *,
        round: int | None = None,
        node: str | None = None,
        when: int | None = None,
    ) -> Event:
        """An event of the run; `when` is in Unix nanoseconds, None: now."""
        at = time.time_ns() if when is None else when
        return Event(at, SOURCE, kind, self._run_id, round, node, dict(details))

    def say(
        self,
        kind: str,
        details: Mapping[str, Json],
        *,
        round: int | None = None,
        node: str | None = None,
        when: int | None = None,
    ) -> None:
        """Journal an event now."""
        event = self.event(kind, details, round=round, node=node, when=when)
        self._journal.append(Batch(events=[event]))

    def stalled(self, stall: Stall) -> None:
        """Journal what the watchdog found."""
        found: dict[str, Json] = {
            "message": str(stall),
            "phase": stall.activity,
            "nodes": list(stall.nodes),
        }
        self.say("RUN_STALLED", found, round=self._progress.now.round)

    def went_on(self) -> None:
        """Journal that the stall is over."""
        self.say("RUN_STALL_ENDED", {}, round=self._progress.now.round)
