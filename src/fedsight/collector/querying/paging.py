"""Samples as they are, a page at a time.

A page is a piece of time with all its samples of every series, so that pages put one after another
are in order, and a cursor is a time: no state is kept between requests, whichever store answers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from fedsight.collector.querying.parameters import MOST_POINTS
from fedsight.collector.store.contract import Points, SampleSearch, Selection

#: Into how many windows a range is parted, again and again, to find where a page ends.
PARTS = 64


@dataclass(frozen=True, slots=True)
class Page:
    """Points of one page; `end` is where the next one begins, None where there is none."""

    points: list[Points]
    end: int | None


def page(samples: SampleSearch, selection: Selection, limit: int) -> Page:
    """The first page of a selection: at most `limit` samples, unless one time alone has more."""
    found = list(samples.points(selection, limit + 1))
    if count(found) <= limit:
        return Page(found, None)
    end = _cut(samples, selection, limit)
    if end >= selection.end:
        return Page(list(samples.points(selection, 2 * MOST_POINTS)), None)
    return Page(list(samples.points(replace(selection, end=end), 2 * MOST_POINTS)), end)


def count(points: Sequence[Points]) -> int:
    """How many points there are."""
    return sum(len(each.time) for each in points)


def _cut(samples: SampleSearch, selection: Selection, limit: int) -> int:
    """A time before which there are at most `limit` samples, and if possible more than half."""
    start, end, budget = selection.start, selection.end, limit
    while True:
        step = max(1, -(-(end - start) // PARTS))
        starts, counts = _counts(samples, replace(selection, start=start, end=end), step)
        fitting = int(np.searchsorted(np.cumsum(counts), budget, "right"))
        if fitting == len(starts):
            return end
        budget -= int(counts[:fitting].sum())
        over = max(start, int(starts[fitting]))
        if budget <= limit // 2 or (step == 1 and budget < limit):
            return over
        if step == 1:
            return over + 1
        start, end = over, min(end, int(starts[fitting]) + step)


def _counts(
    samples: SampleSearch, selection: Selection, step: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Where windows with samples begin, in order, and how many samples of all series they have."""
    found = samples.windows(selection, step, "count")
    if not found:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    starts, place = np.unique(np.concatenate([each.time for each in found]), return_inverse=True)
    weights = np.concatenate([each.value for each in found])
    return starts, np.bincount(place, weights).astype(np.int64)


def of_rounds(points: Sequence[Points], rounds: tuple[int, int]) -> list[Points]:
    """Only the points of these rounds, both included."""
    kept = []
    for each in points:
        assert each.round is not None
        wanted = (each.round >= rounds[0]) & (each.round <= rounds[1])
        if wanted.any():
            kept.append(
                Points(each.series, each.time[wanted], each.value[wanted], each.round[wanted])
            )
    return kept
