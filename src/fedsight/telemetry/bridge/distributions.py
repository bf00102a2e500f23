"""Histograms and summaries as numbers, under the names that Prometheus gives them.

`NAME_bucket` counts what is at most `le`, `NAME_sum` and `NAME_count` are of all, `NAME_min` and
`NAME_max` where they were sent. A sum that is no finite number is absent.
https://opentelemetry.io/docs/specs/otel/metrics/data-model/#histogram
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

from fedsight.telemetry.bridge.series import CannotCarryError

#: Buckets of one point: each is a series.
MOST_BUCKETS = 512
#: Exponents of the largest and the smallest bound that a float64 can be.
HIGHEST, LOWEST = 1023, -1074
INFINITE = "+Inf"
LARGEST_SCALE = 64

#: What follows the name, the label besides the point's own, the value.
Figure = tuple[str, dict[str, str], float]


def histogram(point: Any) -> list[Figure]:
    """The figures of a HistogramDataPoint; raises CannotCarryError where it contradicts itself."""
    counts, bounds = list(point.bucket_counts), list(point.explicit_bounds)
    found = _totals(point)
    if not counts and not bounds:
        return found
    if len(counts) != len(bounds) + 1:
        raise CannotCarryError("a histogram must have one bucket more than bounds")
    if len(counts) > MOST_BUCKETS:
        raise CannotCarryError(f"a histogram must have at most {MOST_BUCKETS} buckets")
    if bounds and bounds[-1] == math.inf:
        bounds, counts = bounds[:-1], [*counts[:-2], counts[-2] + counts[-1]]
    if not all(map(math.isfinite, bounds)) or not _rise(bounds):
        raise CannotCarryError("the bounds of a histogram must be numbers that rise")
    if sum(counts) != point.count:
        raise CannotCarryError("the buckets of a histogram must add up to its count")
    return [*found, *_buckets(zip(bounds, counts, strict=False)), _all(point)]


def exponential(point: Any) -> list[Figure]:
    """The figures of an ExponentialHistogramDataPoint, its buckets merged at powers of two.

    At scale 0 and below every bound is a power of two, so that the bounds of one point are among
    those of every other: a point of a higher scale is merged exactly, as the data model says.
    """
    scale = point.scale
    if abs(scale) > LARGEST_SCALE:
        raise CannotCarryError(f"the scale must be from -{LARGEST_SCALE} to {LARGEST_SCALE}")
    positive, negative = _merged(point.positive, scale), _merged(point.negative, scale)
    total = point.zero_count + sum(positive.values()) + sum(negative.values())
    if total != point.count:
        raise CannotCarryError("the buckets of a histogram must add up to its count")
    base = 1 << max(0, -scale)
    bounds: list[tuple[float, int]] = []
    if negative:
        # A negative bucket i holds what is from -base^(i+1) up to, and with, -base^i.
        for at in range(max(negative), min(negative) - 1, -1):
            bounds.append((-_power(base * at), negative.get(at, 0)))
    if point.zero_count or negative or not positive:
        threshold = point.zero_threshold
        if not (math.isfinite(threshold) and threshold >= 0):
            raise CannotCarryError("the zero threshold must be a number of at least 0")
        bounds.append((threshold, point.zero_count))
    if positive:
        for at in range(min(positive), max(positive) + 1):
            bounds.append((_power(base * (at + 1)), positive.get(at, 0)))
    if len(bounds) > MOST_BUCKETS:
        raise CannotCarryError(f"a histogram must reach over at most {MOST_BUCKETS} powers of two")
    finite = [(bound, count) for bound, count in bounds if math.isfinite(bound)]
    return [*_totals(point), *_buckets(iter(finite)), _all(point)]


def summary(point: Any) -> list[Figure]:
    """The figures of a SummaryDataPoint: a label `quantile` for each."""
    found = _totals(point)
    if len(point.quantile_values) > MOST_BUCKETS:
        raise CannotCarryError(f"a summary must have at most {MOST_BUCKETS} quantiles")
    for each in point.quantile_values:
        if not 0 <= each.quantile <= 1:
            raise CannotCarryError("a quantile must be from 0 to 1")
        if math.isfinite(each.value):
            found.append(("", {"quantile": number(each.quantile)}, each.value))
    return found


def number(value: float) -> str:
    """A bound as a label says it: `0.5`, `1`, `1e+20`."""
    return repr(int(value)) if value == int(value) and abs(value) < 1e15 else repr(value)


def _totals(point: Any) -> list[Figure]:
    found: list[Figure] = [("_count", {}, float(point.count))]
    for name in ("sum", "min", "max"):
        if not hasattr(point, name) or (_optional(point, name) and not point.HasField(name)):
            continue
        value = getattr(point, name)
        if math.isfinite(value):
            found.append((f"_{name}", {}, value))
    return found


def _optional(point: Any, name: str) -> bool:
    return bool(point.DESCRIPTOR.fields_by_name[name].has_presence)


def _all(point: Any) -> Figure:
    return ("_bucket", {"le": INFINITE}, float(point.count))


def _buckets(pairs: Iterator[tuple[float, int]]) -> Iterator[Figure]:
    total = 0
    for bound, count in pairs:
        total += count
        yield "_bucket", {"le": number(bound)}, float(total)


def _rise(bounds: Sequence[float]) -> bool:
    return all(low < high for low, high in pairwise(bounds))


def _merged(buckets: Any, scale: int) -> dict[int, int]:
    """Counts by bucket at scale 0 or below; raises CannotCarryError for what no float64 can be."""
    shift, found = max(0, scale), dict[int, int]()
    for at, count in enumerate(buckets.bucket_counts, buckets.offset):
        if count:
            found[at >> shift] = found.get(at >> shift, 0) + count
    width = 1 << max(0, -scale)
    if found and not LOWEST - width <= min(found) * width <= max(found) * width <= HIGHEST:
        raise CannotCarryError("a bucket of the histogram lies beyond what a number can be")
    return found


def _power(exponent: int) -> float:
    return math.inf if exponent > HIGHEST else math.ldexp(1.0, exponent)
