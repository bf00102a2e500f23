"""The streaming detector beside two simple ones, on labelled series in NAB's format.

`--data FOLDER`, or the variable NAB_DATA, names a folder of the benchmark's series and windows (all
of NAB, or some). Without one the series are made up, of the kinds that NAB has. Every detector has
one set of constants for all series and knows nothing of a series ahead. Scores are NAB's, by a
scorer of our own (`benchmarks.nab`), each at the threshold that is best for that detector over all
series, as NAB does it.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, astuple, dataclass, fields
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from benchmarks import command, nab, nab_like
from benchmarks.baselines import EwmaZScore, WindowedGaussian
from benchmarks.command import Say
from benchmarks.nab import PROFILES, Hits, Labelled
from benchmarks.report import Findings, Target, at_least, at_most, holds
from fedsight.collector.anomalies.detector import ALARM, Detector, Tuning
from fedsight.collector.anomalies.options import THRESHOLDS
from fedsight.errors import UsageError

VARIABLE = "NAB_DATA"
#: Series made up where there is no folder: of each kind, and points.
FULL, QUICK = (3, 4032), (1, 1500)
SEED = 11
#: Points that fill every memory, and those that are timed after them.
FILLING, TIMED, TURNS = 20_000, 1_000, 5

STREAMING, GAUSSIAN, EWMA = "streaming", "windowed_gaussian", "ewma_z_score"
COLUMNS = tuple(one.name for one in fields(Hits))
LEAST_SCORE = 67.0
MOST_MICROSECONDS = 60.0
MICROSECONDS = 1e6


class Scores(Protocol):
    """A detector."""

    def handle(self, time: float, value: float, /) -> float:
        """The score of one point."""


def scored_as_in_nab() -> Detector:
    """The detector at its most sensitive: by NAB's weights a hit pays for 18 false alarms."""
    return Detector(Tuning(threshold=THRESHOLDS["high"]))


DETECTORS: Mapping[str, Callable[[], Scores]] = {
    STREAMING: scored_as_in_nab,
    GAUSSIAN: WindowedGaussian,
    EWMA: EwmaZScore,
}


@dataclass(frozen=True)
class Row:
    """One detector over all series: NAB's three scores, and windows hit, at the threshold that is
    best for the standard one. `delay` is in points from a window's beginning."""

    standard: float
    low_false_positives: float
    low_false_negatives: float
    windows: int
    true: int
    false: int
    missed: int
    delay: float | None
    microseconds: float


def measure(folder: Path | None, quick: bool, say: Say) -> Findings:
    """Detections beside labelled windows: streaming, windowed Gaussian, EWMA z-score."""
    each, points = QUICK if quick else FULL
    corpus = nab_like.corpus(SEED, each, points) if folder is None else nab.read(folder)
    found, rows = {}, {}
    for name, detector in DETECTORS.items():
        say(f"{name} on {len(corpus)} series")
        scores, seconds = _scores(corpus, detector)
        found[name] = scores
        rows[name] = _row(corpus, scores, seconds * MICROSECONDS / sum(map(len, corpus)))
    say("levels of sensitivity, and a full memory")
    full = _full_memory_microseconds()
    figures: dict[str, Any] = {
        **rows,
        "sensitivity": _levels(corpus),
        "series": _by_series(corpus, found[STREAMING]),
        "microseconds_with_full_memory": full,
    }
    scale = {
        "series": len(corpus),
        "points": sum(map(len, corpus)),
        "windows": sum(len(one.windows) for one in corpus),
        "made_up": folder is None,
        "columns_of_a_series": ", ".join(COLUMNS),
    }
    return Findings(scale, figures, _targets(rows, full, quick))


def _scores(
    corpus: Sequence[Labelled], detector: Callable[[], Scores]
) -> tuple[list[NDArray[np.float64]], float]:
    """The scores of every point, and the seconds of processor for all."""
    found, began = [], time.process_time()
    for series in corpus:
        one = detector()
        times, values = series.time.tolist(), series.value.tolist()
        found.append(np.array([one.handle(*point) for point in zip(times, values, strict=True)]))
    return found, time.process_time() - began


def _row(corpus: Sequence[Labelled], scores: list[NDArray[np.float64]], microseconds: float) -> Row:
    found = {name: nab.normalised(corpus, scores, profile) for name, profile in PROFILES.items()}
    _, threshold = found["standard"]
    each = [nab.hits(one, mine >= threshold) for one, mine in zip(corpus, scores, strict=True)]
    total = _summed(each)
    return Row(
        **{name: score for name, (score, _) in found.items()},
        **asdict(total),
        microseconds=microseconds,
    )


def _summed(each: Sequence[Hits]) -> Hits:
    true = sum(one.true for one in each)
    delays = sum((one.delay or 0) * one.true for one in each)
    return Hits(
        sum(one.windows for one in each),
        true,
        sum(one.false for one in each),
        sum(one.missed for one in each),
        delays / true if true else None,
    )


def _levels(corpus: Sequence[Labelled]) -> dict[str, Hits]:
    """What each level of sensitivity tells."""
    found = {}
    for level, threshold in THRESHOLDS.items():
        scores, _ = _scores(corpus, partial(Detector, Tuning(threshold=threshold)))
        pairs = zip(corpus, scores, strict=True)
        found[level] = _summed([nab.hits(one, mine > ALARM) for one, mine in pairs])
    return found


def _by_series(
    corpus: Sequence[Labelled], scores: list[NDArray[np.float64]]
) -> dict[str, tuple[int | float | None, ...]]:
    """The streaming detector's own alarms, series by series, in the order of `COLUMNS`."""
    pairs = zip(corpus, scores, strict=True)
    return {one.name: astuple(nab.hits(one, mine > ALARM)) for one, mine in pairs}


def _full_memory_microseconds() -> float:
    """A point of noise once every memory is full: microseconds of processor, the median of five."""
    detector = scored_as_in_nab()
    values = np.random.default_rng(SEED).standard_normal(FILLING + TIMED * TURNS).tolist()
    for at in range(FILLING):
        detector.handle(float(at), values[at])
    found = []
    for first in range(FILLING, len(values), TIMED):
        began = time.process_time()
        for at in range(first, first + TIMED):
            detector.handle(float(at), values[at])
        found.append((time.process_time() - began) * MICROSECONDS / TIMED)
    return statistics.median(found)


def _targets(rows: dict[str, Row], full: float, quick: bool) -> list[Target]:
    ours, others = rows[STREAMING], (rows[GAUSSIAN], rows[EWMA])
    better = all(ours.standard > other.standard for other in others)
    return [
        at_least("NAB's standard score", ours.standard, 0.0 if quick else LEAST_SCORE),
        holds("it is above that of the windowed Gaussian and the EWMA z-score", better),
        at_most("microseconds a point with full memories", full, MOST_MICROSECONDS),
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns the exit code; see `command.run`."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--data", type=Path, default=os.environ.get(VARIABLE))
    asked, rest = parser.parse_known_args(arguments)
    folder = None if asked.data is None else Path(asked.data)
    if folder is not None and not folder.is_dir():
        raise UsageError(f"{folder} is not a folder of labelled series")
    measured = partial(measure, folder)
    measured.__doc__ = __doc__
    return command.run("anomalies", measured, rest)


if __name__ == "__main__":
    sys.exit(main())
