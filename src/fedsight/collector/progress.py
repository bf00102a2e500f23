"""A run's figures so far, folded from its rounds. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

TREND_POINTS = 60


@dataclass(frozen=True, slots=True)
class RoundFigures:
    """What of one round goes into the run's own figures; None where not measured."""

    accuracy: float | None = None
    loss: float | None = None
    seconds: float | None = None
    failures: int | None = None
    payload_down_bytes: int | None = None
    payload_up_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """A run's figures: the latest of accuracy and loss, the sums of bytes and failures."""

    accuracy: float | None
    best_accuracy: float | None
    loss: float | None
    failures: int
    payload_down_bytes: int | None
    payload_up_bytes: int | None
    p95_seconds: float | None
    accuracy_trend: list[float]


def progress(rounds: Sequence[RoundFigures]) -> Progress:
    """Fold rounds, in their order."""
    accuracies = [r.accuracy for r in rounds if r.accuracy is not None]
    losses = [r.loss for r in rounds if r.loss is not None]
    return Progress(
        accuracy=accuracies[-1] if accuracies else None,
        best_accuracy=max(accuracies, default=None),
        loss=losses[-1] if losses else None,
        failures=sum(r.failures or 0 for r in rounds),
        payload_down_bytes=_total([r.payload_down_bytes for r in rounds]),
        payload_up_bytes=_total([r.payload_up_bytes for r in rounds]),
        p95_seconds=p95([r.seconds for r in rounds if r.seconds is not None]),
        accuracy_trend=thinned(accuracies, TREND_POINTS),
    )


def _total(figures: Sequence[int | None]) -> int | None:
    known = [figure for figure in figures if figure is not None]
    return sum(known) if known else None


def p95(seconds: Sequence[float]) -> float | None:
    """The 95th percentile (nearest rank); None before three rounds."""
    if len(seconds) < 3:
        return None
    return sorted(seconds)[-(-95 * len(seconds) // 100) - 1]


def thinned(points: Sequence[float], most: int) -> list[float]:
    """At most `most` of the points, evenly spread, the first and the last among them."""
    if len(points) <= most:
        return list(points)
    last = len(points) - 1
    return [points[round(at * last / (most - 1))] for at in range(most)]
