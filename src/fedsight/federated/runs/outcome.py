"""What is told of a run and of its rounds to whoever started it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol, runtime_checkable

from fedsight.federated.observation import RoundRecord
from fedsight.federated.runs.personal import Personal

State = Literal["finished", "failed", "interrupted", "stopped"]

Ending = Literal["completed", "failed", "stopped"]

#: How Flower is told of a run's end.
_ENDINGS: Mapping[State, Ending] = {
    "finished": "completed",
    "failed": "failed",
    "stopped": "stopped",
    "interrupted": "stopped",
}


@dataclass(frozen=True)
class RoundReport:
    """What is told of a round as it ends. `failures` are lines "client-3: what it said"; `figures`
    are the evaluation's beyond loss and accuracy."""

    round: int
    rounds: int
    seconds: float
    loss: float | None
    accuracy: float | None
    participants: int
    selected: int
    failures: tuple[str, ...]
    payload_bytes: int
    figures: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """How a run ended; `bytes_*` are model payload, `model_sha256` is of the final vector.

    `best_round` is that of the best model, None where no evaluation told; `personal` what came of
    the nodes' own models, None where none were asked for.
    """

    run_id: str
    state: State
    reason: str | None
    rounds: int
    loss: float | None
    accuracy: float | None
    seconds: float
    bytes_up: int
    bytes_down: int
    model_sha256: str | None
    best_round: int | None = None
    personal: Personal | None = None


@runtime_checkable
class FlowerRun(Protocol):
    """A grid whose Flower run is told how it ended."""

    def close(self, ending: Ending = "completed", details: str = "") -> None:
        """End it; harmless when done twice."""


def end(grid: object, outcome: Outcome) -> None:
    """Tell Flower how the run on that grid ended, where it knows of the run."""
    if isinstance(grid, FlowerRun):
        grid.close(_ENDINGS[outcome.state], outcome.reason or "")


def reported(record: RoundRecord, rounds: int, payload_bytes: int) -> RoundReport:
    """What is told of `record`, of a run of `rounds` rounds."""
    failed = [(node.node, node.reason) for node in record.nodes if node.status != "trained"]
    failed += [(node, f"did not validate: {why}") for node, why in record.unvalidated.items()]
    return RoundReport(
        round=record.round,
        rounds=rounds,
        seconds=record.seconds,
        loss=record.loss,
        accuracy=record.accuracy,
        participants=len(record.trained),
        selected=len(record.nodes),
        failures=tuple(f"{node}: {reason or 'no reply'}" for node, reason in failed),
        payload_bytes=payload_bytes,
        figures=record.figures,
    )
