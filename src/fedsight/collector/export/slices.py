"""Parts a range of time into slices of a bounded number of samples, so that each fits in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fedsight.collector.export.source import Source
from fedsight.collector.store.contract import Selection

#: Samples of one slice.
MOST = 1_000_000
#: Into so many parts a range is counted at once.
PARTS = 128
MINUTE, HOUR = 60 * 10**9, 3600 * 10**9


class Slice(NamedTuple):
    """[start, end) in ns, in which about `held` samples lie."""

    start: int
    end: int
    held: int


Counts = Callable[[int, int, int], tuple[NDArray[np.int64], NDArray[np.int64]]]


def counted(source: Source, selection: Selection) -> Counts:
    """Counts a selection's samples by window: given start, end and step, windows and counts."""

    def counts(start: int, end: int, step: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        part = Selection(selection.matchers, start, end)
        found = source.samples(lambda samples: samples.windows(part, step, "count"))
        if not found:
            return np.zeros(0, np.int64), np.zeros(0, np.int64)
        times = np.concatenate([each.time for each in found])
        windows, place = np.unique(times, return_inverse=True)
        held = np.bincount(place, np.concatenate([each.value for each in found]))
        return windows, np.rint(held).astype(np.int64)

    return counts


def slices(
    counts: Counts, start: int, end: int, *, grain: int = 1, most: int = MOST
) -> Iterator[Slice]:
    """The parts of [start, end) that have samples, in order, each of at most `most` where time
    can part it; no window of `grain` ns is cut in two."""
    step = _step(start, end, grain)
    begun: int | None = None
    reached = held = 0
    for window, count in zip(
        *(column.tolist() for column in counts(start, end, step)), strict=True
    ):
        first, last = max(start, window), min(end, window + step)
        if begun is not None and (held + count > most):
            yield Slice(begun, reached, held)
            begun, held = None, 0
        if count > most and step > grain:
            yield from slices(counts, first, last, grain=grain, most=most)
            continue
        begun = first if begun is None else begun
        reached, held = last, held + count
    if begun is not None:
        yield Slice(begun, reached, held)


def _step(start: int, end: int, grain: int) -> int:
    """A multiple of the grain that parts the range into about PARTS; whole hours or minutes where
    it can be, since stores keep those counts ready."""
    rough = max(grain, (end - start) // PARTS)
    for unit in (HOUR, MINUTE):
        if rough >= unit and unit % grain == 0:
            return rough // unit * unit
    return -(-rough // grain) * grain
