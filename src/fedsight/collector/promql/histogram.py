"""`histogram_quantile` of histograms whose buckets are series with the label `le`."""

from __future__ import annotations

import math

import numpy as np

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
    without_name,
)

BUCKET = "le"
Row = tuple[Labels, Floats, Flags]


def histogram_quantile(share: Scalar, buckets: Vector) -> Vector:
    """The quantile of each histogram at each time, linear within a bucket.

    As Prometheus 2: NaN without a bucket to infinity or without observations; counts that fall
    from one bucket to the next are raised; the highest bucket gives its lower edge.
    """
    labels, edges, kept = [], [], []
    for at, each in enumerate(buckets.labels):
        edge = _edge(each.get(BUCKET, ""))
        if edge is not None:
            own = {name: text for name, text in without_name(each).items() if name != BUCKET}
            labels.append(own)
            edges.append(edge)
            kept.append(at)
    rows: list[Row] = []
    for places in grouped(key(each) for each in labels).values():
        order = sorted(places, key=edges.__getitem__)
        upper = np.array([edges[at] for at in order])
        inside = [kept[place] for place in order]
        rows.append(
            _of_one(
                labels[places[0]], share, upper, buckets.values[inside], buckets.present[inside]
            )
        )
    return stacked(rows, buckets.values.shape[1])


def _edge(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _of_one(labels: Labels, share: Scalar, upper: Floats, counts: Floats, present: Flags) -> Row:
    times = counts.shape[1]
    values = np.zeros(times)
    there = anywhere(present)
    for at in np.flatnonzero(there):
        inside = present[:, at]
        values[at] = bucket_quantile(float(share.values[at]), upper[inside], counts[inside, at])
    return labels, values, there


def bucket_quantile(share: float, upper: Floats, counts: Floats) -> float:
    """One histogram: upper edges in order and how many observations lie at or below each."""
    if math.isnan(share):
        return math.nan
    if not 0 <= share <= 1:
        return -math.inf if share < 0 else math.inf
    if not math.isinf(upper[-1]):
        return math.nan
    upper, first = np.unique(upper, return_index=True)
    counts = np.maximum.accumulate(np.add.reduceat(counts, first))
    if len(upper) < 2 or counts[-1] == 0 or math.isnan(counts[-1]):
        return math.nan
    rank = share * counts[-1]
    at = int(np.searchsorted(counts[:-1], rank, "left"))
    if at == len(upper) - 1:
        return float(upper[-2])
    if at == 0 and upper[0] <= 0:
        return float(upper[0])
    start, before = (upper[at - 1], counts[at - 1]) if at else (0.0, 0.0)
    return float(start + (upper[at] - start) * ((rank - before) / (counts[at] - before)))
