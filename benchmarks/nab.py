"""Labelled series in the format of the Numenta Anomaly Benchmark, and its scoring, anew.

Lavin, Ahmad 2015, "Evaluating real-time anomaly detection algorithms: the Numenta anomaly
benchmark". A folder holds `NAME.csv` files (timestamp, value), at any depth, and one
`windows.json` (or `combined_windows.json`): name -> [[first, last], ...], the labelled windows.
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fedsight.errors import UsageError

#: The first part of a file, in which nothing counts: this share of its points, at most 750.
PROBATION, MOST_PROBATION = 0.15, 5000
WINDOW_FILES = ("windows.json", "combined_windows.json")


@dataclass(frozen=True)
class Labelled:
    """One series: Unix seconds, values, and windows as (first, last) index, both inclusive."""

    name: str
    time: NDArray[np.float64]
    value: NDArray[np.float64]
    windows: tuple[tuple[int, int], ...]

    def __len__(self) -> int:
        return len(self.value)

    @property
    def probation(self) -> int:
        """How many points at the beginning do not count."""
        return math.floor(PROBATION * min(len(self), MOST_PROBATION))


@dataclass(frozen=True)
class Profile:
    """What a hit earns, and what a false alarm and a missed window cost."""

    hit: float
    false_alarm: float
    miss: float


PROFILES: Mapping[str, Profile] = {
    "standard": Profile(1.0, 0.11, 1.0),
    "low_false_positives": Profile(1.0, 0.22, 1.0),
    "low_false_negatives": Profile(1.0, 0.11, 2.0),
}


def read(folder: Path) -> list[Labelled]:
    """Every labelled series beneath `folder`, by name. Raises UsageError where there is none."""
    files = [path for name in WINDOW_FILES for path in sorted(folder.rglob(name))]
    if not files:
        raise UsageError(f"{folder} holds neither {' nor '.join(WINDOW_FILES)}")
    windows: dict[str, list[list[str]]] = json.loads(files[0].read_text(encoding="utf-8"))
    by_tail = {name.rsplit("/", 1)[-1]: spans for name, spans in windows.items()}
    paths = [path for path in sorted(folder.rglob("*.csv")) if path.name in by_tail]
    if not paths:
        raise UsageError(f"{folder} holds no series that {files[0].name} names")
    return [_series(path, by_tail[path.name]) for path in paths]


def _series(path: Path, spans: Sequence[Sequence[str]]) -> Labelled:
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    time = np.array([_seconds(row["timestamp"]) for row in rows])
    value = np.array([float(row["value"]) for row in rows])
    windows = [_indices(time, _seconds(first), _seconds(last)) for first, last in spans]
    return Labelled(path.stem, time, value, tuple(windows))


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def _indices(time: NDArray[np.float64], first: float, last: float) -> tuple[int, int]:
    inside = np.flatnonzero((time >= first) & (time <= last))
    return int(inside[0]), int(inside[-1])


def sigmoid(position: float) -> float:
    """What a detection at `position` is worth before its weight: -1 at a window's beginning,
    0 at its end, in windows' lengths; from 1 towards -1."""
    return -1.0 if position > 3 else 2 / (1 + math.exp(5 * position)) - 1


def worth(series: Labelled, profile: Profile) -> NDArray[np.float64]:
    """What a detection at each point is worth, weighted, shape (n,)."""
    found = np.full(len(series), -profile.false_alarm)
    ordered = sorted(series.windows)
    for at, (first, last) in enumerate(ordered):
        width = last - first + 1
        until = ordered[at + 1][0] if at + 1 < len(ordered) else len(series)
        for index in range(first, last + 1):
            position = -(last - index + 1) / width
            found[index] = sigmoid(position) * profile.hit / sigmoid(-1)
        for index in range(last + 1, until):
            past = (index - last) / max(width - 1, 1)
            found[index] = sigmoid(past) * profile.false_alarm
    return found


def normalised(
    corpus: Sequence[Labelled], scores: Sequence[NDArray[np.float64]], profile: Profile
) -> tuple[float, float]:
    """NAB's score of a whole corpus, and the threshold that gives it.

    0 is a detector that says nothing, 100 one that is right at once and never wrong. `scores` has
    one anomaly score for each point; the threshold is the one best for the whole corpus.
    """
    steps = [
        step
        for one, found in zip(corpus, scores, strict=True)
        for step in _steps(one, found, profile)
    ]
    windows = sum(len(one.windows) for one in corpus)
    nothing, perfect = -profile.miss * windows, profile.hit * windows
    steps.sort(key=lambda step: -step[0])
    best, threshold, total = nothing, math.inf, nothing
    for at, (score, gain) in enumerate(steps):
        total += gain
        last_of_equals = at + 1 == len(steps) or steps[at + 1][0] < score
        if last_of_equals and total > best:
            best, threshold = total, score
    if perfect == nothing:
        return math.nan, threshold
    return 100 * (best - nothing) / (perfect - nothing), threshold


def _steps(
    series: Labelled, scores: NDArray[np.float64], profile: Profile
) -> list[tuple[float, float]]:
    """How the score grows as the threshold falls to each point's score: (score, gain)."""
    value = worth(series, profile)
    inside = np.zeros(len(series), bool)
    steps: list[tuple[float, float]] = []
    for first, last in series.windows:
        inside[first : last + 1] = True
        best = -profile.miss
        span = [at for at in range(first, last + 1) if at >= series.probation]
        for at in sorted(span, key=lambda one: -scores[one]):
            if value[at] > best:
                steps.append((float(scores[at]), float(value[at]) - best))
                best = float(value[at])
    outside = np.flatnonzero(~inside)
    outside = outside[outside >= series.probation]
    steps += zip(scores[outside].tolist(), value[outside].tolist(), strict=True)
    return steps


@dataclass(frozen=True)
class Hits:
    """Detections of one series: windows hit and missed, false alarms, and the delay of each hit.

    `delay` is the mean number of points from a window's beginning to its first detection; None
    where nothing was hit.
    """

    windows: int
    true: int
    false: int
    missed: int
    delay: float | None


def hits(series: Labelled, alarms: NDArray[np.bool_]) -> Hits:
    """Compare alarms, shape (n,), with the labelled windows; those of the probation do not count.

    Alarms outside count one by one, as in NAB.
    """
    counted = alarms.copy()
    counted[: series.probation] = False
    delays = []
    outside = counted.copy()
    for first, last in series.windows:
        outside[first : last + 1] = False
        inside = np.flatnonzero(counted[first : last + 1])
        if len(inside):
            delays.append(int(inside[0]))
    windows = len(series.windows)
    delay = sum(delays) / len(delays) if delays else None
    return Hits(windows, len(delays), int(outside.sum()), windows - len(delays), delay)
