"""What the names and labels of a list of series say, found once for each list."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fedsight.collector.store.figures import COUNT_METRICS, ROUND_FIGURES
from fedsight.signals import Series

#: Lists remembered; beyond, all are forgotten. They are a producer's own, used again and again.
REMEMBERED = 256


@dataclass(frozen=True, slots=True)
class Names:
    """Of a list of series: the `runs` in the order in which they first appear, which of them each
    series is of (`run`), the different names (`metrics`), which count something (None: none does),
    the figures of whole rounds by position (run, column), and whether any is a federated run's."""

    series: list[Series]
    runs: list[str | None]
    run: NDArray[np.int32]
    metrics: frozenset[str]
    counted: NDArray[np.bool_] | None
    figures: dict[int, tuple[str, str]]
    federated: bool


_known: dict[int, Names] = {}


def names_of(series: list[Series]) -> Names:
    """The list must not change afterwards. Any thread may ask."""
    found = _known.get(id(series))
    if found is None or found.series is not series:
        if len(_known) >= REMEMBERED:
            _known.clear()
        found = _known[id(series)] = _names(series)
    return found


def _names(series: list[Series]) -> Names:
    run_of = [each.labels.get("run") for each in series]
    code = {run: at for at, run in enumerate(dict.fromkeys(run_of))}
    counted = np.array([each.name in COUNT_METRICS for each in series], bool)
    figures = {
        at: (each.labels["run"], ROUND_FIGURES[each.name])
        for at, each in enumerate(series)
        if each.name in ROUND_FIGURES and each.labels.keys() == {"run"}
    }
    return Names(
        series,
        list(code),
        np.array([code[run] for run in run_of], np.int32),
        frozenset(each.name for each in series),
        counted if counted.any() else None,
        figures,
        any(each.name.startswith("fl_") for each in series),
    )
