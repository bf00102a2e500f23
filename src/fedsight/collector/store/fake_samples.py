"""A store of samples in memory that keeps the contract: for tests, and to read beside it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from fedsight.collector.store.contract import (
    NAME_LABEL,
    Aggregation,
    Matcher,
    Points,
    Selection,
)
from fedsight.door.refusal import BadFieldError
from fedsight.signals import Sample, Series, series_key

SECOND = 10**9


class MemorySamples:
    """As `SampleSearch`, over the samples given. Patterns are Python's, not RE2."""

    def __init__(self, samples: Iterable[Sample]) -> None:
        self._series: dict[str, Series] = {}
        self._kept: dict[str, dict[tuple[int, int], float]] = {}
        for each in samples:
            key = series_key(each.name, each.labels)
            self._series.setdefault(key, Series(each.name, dict(each.labels)))
            round_ = -1 if each.round is None else each.round
            self._kept.setdefault(key, {})[each.time, round_] = each.value

    def matching(self, selection: Selection) -> int:
        """As `SampleSearch.matching`."""
        told = self._series.values()
        return sum(all(_meets(each, m) for m in selection.matchers) for each in told)

    def series(self, selection: Selection, limit: int) -> list[Series]:
        """As `SampleSearch.series`."""
        return [points.series for points in self._selected(selection)][:limit]

    def points(self, selection: Selection, limit: int) -> Iterator[Points]:
        """As `SampleSearch.points`."""
        for points in self._selected(selection):
            if limit <= 0:
                return
            assert points.round is not None
            yield Points(
                points.series, points.time[:limit], points.value[:limit], points.round[:limit]
            )
            limit -= min(limit, len(points.time))

    def windows(self, selection: Selection, step: int, aggregation: Aggregation) -> list[Points]:
        """As `SampleSearch.windows`."""
        found = (_windowed(points, step, aggregation) for points in self._selected(selection))
        return [points for points in found if len(points.time)]

    def _selected(self, selection: Selection) -> Iterator[Points]:
        for key in sorted(self._series, key=lambda key: (self._series[key].name, key)):
            series = self._series[key]
            if not all(_meets(series, matcher) for matcher in selection.matchers):
                continue
            rows = sorted(
                (*at, value)
                for at, value in self._kept[key].items()
                if selection.start <= at[0] < selection.end
            )
            if rows:
                time, round_, value = zip(*rows, strict=True)
                yield Points(
                    series,
                    np.array(time, np.int64),
                    np.array(value, np.float64),
                    np.array(round_, np.int32),
                )


def _meets(series: Series, matcher: Matcher) -> bool:
    text = series.name if matcher.label == NAME_LABEL else series.labels.get(matcher.label, "")
    if matcher.op in ("=", "!="):
        return (text == matcher.value) == (matcher.op == "=")
    try:
        found = re.fullmatch(matcher.value, text, re.DOTALL) is not None
    except re.error as error:
        raise BadFieldError("pattern", f"must be a regular expression: {error}") from None
    return found == (matcher.op == "=~")


def _windowed(points: Points, step: int, aggregation: Aggregation) -> Points:
    starts, values = [], []
    for window in np.unique(points.time // step):
        inside = points.time // step == window
        value = _gathered(points.time[inside], points.value[inside], aggregation)
        if aggregation == "rate":
            value = _rate(points, int(np.flatnonzero(inside)[0]), int(np.flatnonzero(inside)[-1]))
        if value is not None:
            starts.append(window * step)
            values.append(value)
    return Points(points.series, np.array(starts, np.int64), np.array(values, np.float64))


def _gathered(
    time: NDArray[np.int64], value: NDArray[np.float64], aggregation: Aggregation
) -> float | None:
    if aggregation == "rate":
        return None
    return float(
        {
            "mean": value.mean(),
            "min": value.min(),
            "max": value.max(),
            "sum": value.sum(),
            "count": len(value),
            "last": value[-1],
            "p50": np.quantile(value, 0.5),
            "p95": np.quantile(value, 0.95),
        }[aggregation]
    )


def _rate(points: Points, first: int, last: int) -> float | None:
    """From the sample before the window, where there is one, up to its last."""
    first = max(0, first - 1)
    seconds = (points.time[last] - points.time[first]) / SECOND
    if not seconds:
        return None
    values = points.value[first : last + 1]
    rises = np.where(np.diff(values) < 0, values[1:], np.diff(values))
    return float(rises.sum() / seconds)
