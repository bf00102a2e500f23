"""Aggregation over series: `sum by (node) (x)` and its like, at all times at once."""

from __future__ import annotations

from collections.abc import Callable, Collection

import numpy as np
from numpy.typing import NDArray

from fedsight.collector.promql.errors import not_evaluated
from fedsight.collector.promql.values import (
    Flags,
    Floats,
    Labels,
    Scalar,
    Vector,
    anywhere,
    grouped,
    key,
    stacked,
)
from fedsight.collector.store.contract import NAME_LABEL

#: What becomes of one group: values and presence of shape (series, times) as one row.
Group = Callable[[Floats, Flags], Floats]


def group_labels(labels: Labels, names: Collection[str], *, by: bool) -> Labels:
    """The labels that tell a series' group from others."""
    if by:
        return {name: labels[name] for name in names if name in labels}
    return {name: text for name, text in labels.items() if name not in names and name != NAME_LABEL}


def aggregated(vector: Vector, names: Collection[str], group: Group, *, by: bool) -> Vector:
    """One series for each group."""
    labels = [group_labels(each, names, by=by) for each in vector.labels]
    rows = []
    for places in grouped(key(each) for each in labels).values():
        values, present = vector.values[places], vector.present[places]
        rows.append((labels[places[0]], group(values, present), anywhere(present)))
    return stacked(rows, vector.values.shape[1])


def _sum(values: Floats, present: Flags) -> Floats:
    total: Floats = np.where(present, values, 0.0).sum(axis=0)
    return total


def _count(values: Floats, present: Flags) -> Floats:
    counts: Floats = present.sum(axis=0).astype(np.float64)
    return counts


def _mean(values: Floats, present: Flags) -> Floats:
    return _sum(values, present) / np.maximum(_count(values, present), 1)


def _variance(values: Floats, present: Flags) -> Floats:
    """Of a single value it is 0, even where that is NaN."""
    spread = _mean((values - _mean(values, present)) ** 2, present)
    return np.where(present.sum(axis=0) == 1, 0.0, spread)


GROUPS: dict[str, Group] = {
    "sum": _sum,
    "count": _count,
    "avg": _mean,
    # A value that is NaN counts for neither, unless all are.
    "min": lambda values, present: np.fmin.reduce(np.where(present, values, np.nan)),
    "max": lambda values, present: np.fmax.reduce(np.where(present, values, np.nan)),
    "stdvar": _variance,
    "stddev": lambda values, present: np.sqrt(_variance(values, present)),
    "group": lambda values, present: np.ones(values.shape[1]),
}


def quantile(share: Scalar) -> Group:
    """`quantile`: linear between the two nearest values; NaN is below every other value."""

    def group(values: Floats, present: Flags) -> Floats:
        missing = present & np.isnan(values)
        low = np.where(missing, -np.inf, np.where(present, values, np.inf))
        ordered = np.sort(low, axis=0)
        ordered[np.arange(len(values))[:, None] < missing.sum(axis=0)] = np.nan
        counts = np.maximum(present.sum(axis=0), 1)
        return _between(ordered, counts, share.values)

    return group


def _between(ordered: Floats, counts: NDArray[np.int64], share: Floats) -> Floats:
    inside = np.clip(np.nan_to_num(share), 0, 1)
    rank = inside * (counts - 1)
    below = np.floor(rank).astype(np.int64)
    above = np.minimum(below + 1, counts - 1)
    part, at = rank - below, np.arange(len(counts))
    found = ordered[below, at] * (1 - part) + ordered[above, at] * part
    found = np.where(share < 0, -np.inf, np.where(share > 1, np.inf, found))
    return np.where(np.isnan(share), np.nan, found)


def ranked(vector: Vector, names: Collection[str], most: Scalar, *, by: bool, top: bool) -> Vector:
    """`topk` and `bottomk`: the series themselves, where they are among the k of their group."""
    if not np.isfinite(most.values).all():
        raise not_evaluated("the number of series for topk and bottomk must be finite")
    kept = np.zeros_like(vector.present)
    keys = (key(group_labels(each, names, by=by)) for each in vector.labels)
    for places in grouped(keys).values():
        values, present = vector.values[places], vector.present[places]
        worth = np.where(present, -values if top else values, np.nan)
        # NaN is the worst that a present value can be; what is absent comes after it.
        order = np.lexsort(
            (np.where(np.isnan(worth), np.inf, worth), np.isnan(values), ~present), 0
        )
        rank = np.argsort(order, axis=0, kind="stable")
        kept[places] = present & (rank < np.trunc(most.values))
    rows = zip(vector.labels, vector.values, kept, strict=True)
    return stacked(list(rows), vector.values.shape[1])
