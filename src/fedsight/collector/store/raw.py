"""Samples as columns on their way from hot log and files to an answer. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class RawSamples(NamedTuple):
    """Samples as columns of equal length; `series` are ids, `round` is -1 where there is none."""

    series: NDArray[np.int32]
    time: NDArray[np.int64]
    round: NDArray[np.int32]
    value: NDArray[np.float64]

    def where(self, wanted: NDArray[np.bool_] | NDArray[np.int64]) -> RawSamples:
        """Only those samples, in that order."""
        return RawSamples._make(column[wanted] for column in self)


EMPTY = RawSamples(
    np.zeros(0, np.int32), np.zeros(0, np.int64), np.zeros(0, np.int32), np.zeros(0, np.float64)
)


def joined(parts: Sequence[RawSamples]) -> RawSamples:
    """One after another, earlier arrivals first."""
    there = [part for part in parts if len(part.time)]
    if len(there) <= 1:
        return there[0] if there else EMPTY
    return RawSamples._make(np.concatenate(columns) for columns in zip(*there, strict=True))


def tidy(samples: RawSamples) -> RawSamples:
    """Sorted by (series, time, round); of those equal in all three the last one is kept.

    So samples come in by arrival, and the later arrival counts.
    """
    if not len(samples.time):
        return samples
    samples, _ = in_order(samples)
    kept = np.ones(len(samples.time), bool)
    kept[:-1] = (
        (samples.series[1:] != samples.series[:-1])
        | (samples.time[1:] != samples.time[:-1])
        | (samples.round[1:] != samples.round[:-1])
    )
    return samples if kept.all() else samples.where(kept)


def in_order(samples: RawSamples) -> tuple[RawSamples, NDArray[np.int64] | None]:
    """The samples by (series, time, round), stable, and the order; None where they were in it.

    What arrives mostly arrives in order of time: then sorting by series alone does it.
    """
    if _rising(samples):
        return samples, None
    order = _by_series(samples.series)
    found = samples.where(order)
    if not _rising(found):
        order = np.lexsort((samples.round, samples.time, samples.series))
        found = samples.where(order)
    return found, order


def _by_series(series: NDArray[np.int32]) -> NDArray[np.int64]:
    """What sorts them, stable. Numbers of two bytes are sorted by counting, four times as fast."""
    low = int(series.min())
    if int(series.max()) - low > np.iinfo(np.uint16).max:
        return np.argsort(series, kind="stable")
    return np.argsort((series - np.int32(low)).astype(np.uint16), kind="stable")


def _rising(samples: RawSamples) -> bool:
    series, time, round_ = samples.series, samples.time, samples.round
    later = (time[1:] > time[:-1]) | ((time[1:] == time[:-1]) & (round_[1:] >= round_[:-1]))
    return bool(((series[1:] > series[:-1]) | ((series[1:] == series[:-1]) & later)).all())


def within(samples: RawSamples, ids: NDArray[np.int64], start: int, end: int) -> RawSamples:
    """The samples of some series with `start <= time < end`, in their order."""
    if not len(samples.time) or not ids.size:
        return EMPTY
    width = int(max(ids.max(), int(samples.series.max()))) + 1
    wanted = np.zeros(width, bool)
    wanted[ids] = True
    mask = wanted[samples.series]
    if int(samples.time.min()) < start or int(samples.time.max()) >= end:
        mask &= (samples.time >= start) & (samples.time < end)
    return samples if mask.all() else samples.where(mask)


def runs_of(series: NDArray[np.int32]) -> NDArray[np.int64]:
    """Where each series begins in samples sorted by series, and the end."""
    if not series.size:
        return np.zeros(1, np.int64)
    inner = np.flatnonzero(series[1:] != series[:-1]) + 1
    return np.concatenate([[0], inner, [series.size]]).astype(np.int64)
