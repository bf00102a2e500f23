"""Functions of range vectors, over all windows of a series at once.

As Prometheus 2 has it, a window holds both its ends: `t - range <= sample <= t`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fedsight.collector.promql.selecting import Evaluation, nanoseconds, selected_times
from fedsight.collector.promql.values import (
    Flags,
    Floats,
    Labels,
    Line,
    Times,
    Vector,
    merged,
    stacked,
    without_name,
)

if TYPE_CHECKING:
    import promql_parser as promql

Places = NDArray[np.intp]
#: How far from a window's edge its outermost sample may lie, in mean distances between samples,
#: for the window to be taken as covered.
COVERED = 1.1
#: Windows that are looked at together: series share the work, and memory stays bounded.
BLOCK = 500_000


@dataclass(frozen=True, slots=True)
class Windows:
    """Windows over samples: samples `first[i]` up to, not including, `after[i]`.

    `end` are their ends, `length` is in ns.
    """

    line: Line
    first: Places
    after: Places
    end: Times
    length: int

    @property
    def counts(self) -> Places:
        """Samples in each."""
        return self.after - self.first


Told = tuple[Floats, Flags]
RangeFunction = Callable[[Windows], Told]


def over_ranges(
    evaluation: Evaluation,
    matrix: promql.MatrixSelector,
    function: RangeFunction,
    *,
    costly: int = 1,
    named: bool = False,
) -> Vector:
    """A function of each window of each series; `costly`: work for each sample and window."""
    selector, length = matrix.vector_selector, nanoseconds(matrix.range)
    times = selected_times(selector, evaluation.times)
    lines = evaluation.lines(selector, times, length)
    at_once = max(1, BLOCK // len(times))
    rows: list[tuple[Labels, Floats, Flags]] = []
    for at in range(0, len(lines), at_once):
        block = lines[at : at + at_once]
        windows = windows_of(block, times, length)
        evaluation.spend(costly * (len(windows.end) + int(windows.counts.sum())))
        shape = len(block), len(times)
        values, there = (column.reshape(shape) for column in function(windows))
        labels = (each.labels if named else without_name(each.labels) for each in block)
        rows += zip(labels, values, there, strict=True)
    return merged(stacked(rows, len(times)), whole=True)


def windows_of(lines: Sequence[Line], times: Times, length: int) -> Windows:
    """The windows of several series as those of one, one series after another.

    No window reaches over the end of its series, so that functions of windows need not know.
    """
    begins = np.cumsum([0, *(len(line.time) for line in lines)])
    first = [np.searchsorted(each.time, times - length, "left") for each in lines]
    after = [np.searchsorted(each.time, times, "right") for each in lines]
    whole = Line(
        {},
        np.concatenate([line.time for line in lines]),
        np.concatenate([line.value for line in lines]),
    )
    moved = np.repeat(begins[:-1], len(times))
    return Windows(
        whole,
        np.concatenate(first) + moved,
        np.concatenate(after) + moved,
        np.tile(times, len(lines)),
        length,
    )


def reduced(ufunc: np.ufunc) -> RangeFunction:
    """A window's samples put together by an operation on two numbers."""

    def function(windows: Windows) -> Told:
        values = np.append(windows.line.value, 0.0)
        edges = np.stack([windows.first, windows.after], 1).ravel()
        return ufunc.reduceat(values, edges)[::2], windows.counts > 0

    return function


def count(windows: Windows) -> Told:
    """`count_over_time`."""
    return windows.counts.astype(np.float64), windows.counts > 0


def present(windows: Windows) -> Told:
    """`present_over_time`."""
    return np.ones(len(windows.end)), windows.counts > 0


def average(windows: Windows) -> Told:
    """`avg_over_time`."""
    total, there = reduced(np.add)(windows)
    return total / np.maximum(windows.counts, 1), there


def last(windows: Windows) -> Told:
    """`last_over_time`."""
    return windows.line.value[np.maximum(windows.after - 1, 0)], windows.counts > 0


def variance(windows: Windows) -> Told:
    """`stdvar_over_time`: of the samples themselves, not an estimate for more."""
    return each_window(lambda _, values: float(np.var(values)))(windows)


def deviation(windows: Windows) -> Told:
    """`stddev_over_time`."""
    values, there = variance(windows)
    return np.sqrt(values), there


def each_window(function: Callable[[int, Floats], float]) -> RangeFunction:
    """A function of a window's number and its samples, one window after another."""

    def told(windows: Windows) -> Told:
        values = np.zeros(len(windows.end))
        there = windows.counts > 0
        for at in np.flatnonzero(there):
            inside = windows.line.value[windows.first[at] : windows.after[at]]
            values[at] = function(int(at), inside)
        return values, there

    return told


def quantiles(shares: Floats) -> RangeFunction:
    """`quantile_over_time`; one share for each time."""
    return each_window(
        lambda at, values: quantile(float(shares[at % len(shares)]), np.sort(values))
    )


def quantile(share: float, ordered: Floats) -> float:
    """Linear between the two samples nearest to the share; infinite outside of [0, 1]."""
    if not len(ordered) or np.isnan(share):
        return float("nan")
    if not 0 <= share <= 1:
        return float("-inf") if share < 0 else float("inf")
    rank = share * (len(ordered) - 1)
    below = int(rank)
    above = min(below + 1, len(ordered) - 1)
    part = rank - below
    return float(ordered[below] * (1 - part) + ordered[above] * part)


def changed(different: Callable[[Floats, Floats], Flags]) -> RangeFunction:
    """How many samples of a window differ so from the one before: `changes`, `resets`."""

    def function(windows: Windows) -> Told:
        value = windows.line.value
        seen = np.concatenate([[0], np.cumsum(different(value[:-1], value[1:]))])
        first, final = _ends(windows)
        return (seen[final] - seen[first]).astype(np.float64), windows.counts > 0

    return function


def _ends(windows: Windows) -> tuple[Places, Places]:
    """The first and the last sample of each window; anything where it has none."""
    most = len(windows.line.value) - 1
    return np.clip(windows.first, 0, most), np.clip(windows.after - 1, 0, most)


def difference(*, counter: bool, each_second: bool) -> RangeFunction:
    """`delta`, `increase`, `rate`: the rise over a window, carried on to its edges.

    A fall of a counter is a reset to 0. Where the outermost samples lie near the edges, the rise is
    carried on to them, otherwise by half a mean distance, and never below a counter's 0: as
    `extrapolatedRate` of Prometheus 2.
    """

    def function(windows: Windows) -> Told:
        time, value = windows.line.time, windows.line.value
        first, final = _ends(windows)
        risen = value[final] - value[first]
        if counter:
            fallen = np.concatenate([[0.0], np.where(np.diff(value) < 0, value[:-1], 0.0)])
            risen = risen + _summed(fallen, first, final)
        there = windows.counts > 1
        sampled = np.where(there, (time[final] - time[first]) / 1e9, 1.0)
        before = (time[first] - (windows.end - windows.length)) / 1e9
        behind = (windows.end - time[final]) / 1e9
        if counter:
            before = _not_below_zero(before, sampled, risen, value[first])
        factor = _carried_on(sampled, before, behind, windows.counts) / sampled
        return risen * (factor / (windows.length / 1e9) if each_second else factor), there

    return function


def _summed(values: Floats, first: Places, final: Places) -> Floats:
    """The sum of `values[first + 1 : final + 1]`, exact where most of them are 0."""
    if not values.any():
        return np.zeros(len(first))
    edges = np.stack([first + 1, final + 1], 1).ravel()
    sums = np.add.reduceat(np.append(values, 0.0), np.minimum(edges, len(values)))[::2]
    return np.where(final > first, sums, 0.0)


def _not_below_zero(before: Floats, sampled: Floats, risen: Floats, start: Floats) -> Floats:
    """A counter was 0 at the earliest: so far back and no further may its rise be carried on."""
    rises = (risen > 0) & (start >= 0)
    to_zero = sampled * (start / np.where(rises, risen, 1.0))
    return np.where(rises & (to_zero < before), to_zero, before)


def _carried_on(sampled: Floats, before: Floats, behind: Floats, counts: Places) -> Floats:
    """The seconds that a rise stands for."""
    mean = sampled / np.maximum(counts - 1, 1)
    near = mean * COVERED
    return (
        sampled
        + np.where(before < near, before, mean / 2)
        + np.where(behind < near, behind, mean / 2)
    )


def last_two(*, each_second: bool) -> RangeFunction:
    """`idelta` and `irate`: from a window's last sample but one to its last."""

    def function(windows: Windows) -> Told:
        time, value = windows.line.time, windows.line.value
        final = _ends(windows)[1]
        before = np.maximum(final - 1, 0)
        there = windows.counts > 1
        risen = value[final] - value[before]
        if not each_second:
            return risen, there
        risen = np.where(value[final] < value[before], value[final], risen)
        seconds = np.where(there, (time[final] - time[before]) / 1e9, 1.0)
        return risen / seconds, there

    return function


RANGE_FUNCTIONS: dict[str, RangeFunction] = {
    "rate": difference(counter=True, each_second=True),
    "increase": difference(counter=True, each_second=False),
    "delta": difference(counter=False, each_second=False),
    "irate": last_two(each_second=True),
    "idelta": last_two(each_second=False),
    "changes": changed(np.not_equal),
    "resets": changed(np.greater),
    "avg_over_time": average,
    "min_over_time": reduced(np.minimum),
    "max_over_time": reduced(np.maximum),
    "sum_over_time": reduced(np.add),
    "count_over_time": count,
    "last_over_time": last,
    "present_over_time": present,
    "stddev_over_time": deviation,
    "stdvar_over_time": variance,
}
#: Functions that go through windows one by one cost more for each.
SLOW = frozenset({"stddev_over_time", "stdvar_over_time", "quantile_over_time"})
SLOW_COST = 20
