"""Samples gathered into windows of time. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fedsight.collector.store.contract import Aggregation
from fedsight.collector.store.raw import RawSamples

MINUTE = 60 * 10**9
PERCENTILES: dict[Aggregation, float] = {"p50": 0.5, "p95": 0.95}
#: How far before a window the sample may lie from which a rate rises to the window's first.
RATE_LOOKBACK = 5 * MINUTE


class Windows(NamedTuple):
    """One value for each series and window, by series and then time."""

    series: NDArray[np.int32]
    start: NDArray[np.int64]
    value: NDArray[np.float64]


class Partial(NamedTuple):
    """What of a window can be put together from parts; columns sorted by (series, window).

    `last` is the value at `last_time`, the greatest time in the window.
    """

    series: NDArray[np.int32]
    window: NDArray[np.int64]
    number: NDArray[np.int64]
    total: NDArray[np.float64]
    least: NDArray[np.float64]
    most: NDArray[np.float64]
    last: NDArray[np.float64]
    last_time: NDArray[np.int64]


def lookback(step: int, aggregation: Aggregation) -> int:
    """How long before a selection samples still matter, in ns."""
    return max(step, RATE_LOOKBACK) if aggregation == "rate" else 0


def windowed(samples: RawSamples, step: int, aggregation: Aggregation, start: int) -> Windows:
    """Windows of tidy samples. Those before `start` only say from where a rate rises."""
    if aggregation == "rate":
        return _rates(samples, step, start)
    if aggregation in PERCENTILES:
        return _percentiles(samples, step, PERCENTILES[aggregation])
    return finished(parted(samples, step), step, aggregation)


def finished(parts: Partial, step: int, aggregation: Aggregation) -> Windows:
    """The aggregation that was asked for, from what windows were put together of."""
    value = {
        "count": parts.number.astype(np.float64),
        "sum": parts.total,
        "min": parts.least,
        "max": parts.most,
        "last": parts.last,
        "mean": parts.total / np.maximum(parts.number, 1),
    }[aggregation]
    return Windows(parts.series, parts.window * step, value)


def parted(samples: RawSamples, step: int) -> Partial:
    """Windows of tidy samples as parts that later ones can be put to."""
    window = samples.time // step
    begins = _begins(samples.series, window)
    if not begins.size:
        return nothing()
    ends = np.append(begins[1:], len(window)) - 1
    value = samples.value
    return Partial(
        samples.series[begins],
        window[begins],
        np.diff(np.append(begins, len(window))),
        np.add.reduceat(value, begins),
        np.minimum.reduceat(value, begins),
        np.maximum.reduceat(value, begins),
        value[ends],
        samples.time[ends],
    )


def united(parts: Sequence[Partial]) -> Partial:
    """Parts of which none holds a sample of another, put together; later ones win a tie of time."""
    there = [part for part in parts if len(part.series)]
    if len(there) <= 1:
        return there[0] if there else nothing()
    every = Partial._make(np.concatenate(columns) for columns in zip(*there, strict=True))
    order = np.lexsort((every.last_time, every.window, every.series))
    every = Partial._make(column[order] for column in every)
    begins = _begins(every.series, every.window)
    ends = np.append(begins[1:], len(order)) - 1
    return Partial(
        every.series[begins],
        every.window[begins],
        np.add.reduceat(every.number, begins),
        np.add.reduceat(every.total, begins),
        np.minimum.reduceat(every.least, begins),
        np.maximum.reduceat(every.most, begins),
        every.last[ends],
        every.last_time[ends],
    )


def nothing() -> Partial:
    """No window."""
    whole, real = np.zeros(0, np.int64), np.zeros(0, np.float64)
    return Partial(np.zeros(0, np.int32), whole, whole, real, real, real, real, whole)


def _begins(series: NDArray[np.int32], window: NDArray[np.int64]) -> NDArray[np.int64]:
    """Where each (series, window) begins."""
    if not series.size:
        return np.zeros(0, np.int64)
    new = (series[1:] != series[:-1]) | (window[1:] != window[:-1])
    return np.concatenate([[0], np.flatnonzero(new) + 1]).astype(np.int64)


def _percentiles(samples: RawSamples, step: int, share: float) -> Windows:
    """Linear interpolation between the two samples nearest to the share, as numpy's default."""
    window = samples.time // step
    order = np.lexsort((samples.value, window, samples.series))
    series, window, value = samples.series[order], window[order], samples.value[order]
    begins = _begins(series, window)
    counts = np.diff(np.append(begins, len(window)))
    place = share * (counts - 1)
    below = np.floor(place).astype(np.int64)
    above = np.minimum(below + 1, counts - 1)
    low, high = value[begins + below], value[begins + above]
    # Not low + (high - low) * part: the difference of two finite values may not be finite.
    part = place - below
    return Windows(series[begins], window[begins] * step, low * (1 - part) + high * part)


def _rates(samples: RawSamples, step: int, start: int) -> Windows:
    """Rise a second up to a window's last sample from the one before the window.

    That one may lie at most a step or five minutes before the window, whichever is longer; without
    one the rise is from the window's first sample, and a lone sample has no rate.
    """
    if not len(samples.time):
        return Windows(samples.series, samples.time, samples.value)
    series, time, value = samples.series, samples.time, samples.value
    window = time // step
    begins = _begins(series, window)
    ends = np.append(begins[1:], len(time)) - 1
    rises = np.zeros(len(value))
    rises[1:] = np.where(value[1:] >= value[:-1], value[1:] - value[:-1], value[1:])
    before = begins - 1
    near = (
        (before >= 0)
        & (series[before] == series[begins])
        & (window[begins] * step - time[before] <= lookback(step, "rate"))
    )
    first = np.where(near, before, begins)
    risen = np.add.reduceat(rises, begins) - np.where(near, 0.0, rises[begins])
    seconds = (time[ends] - time[first]) / 1e9
    told = (seconds > 0) & (time[ends] >= start)
    return Windows(series[begins][told], (window[begins] * step)[told], risen[told] / seconds[told])
