"""Prometheus' text and OpenMetrics, as families: parsed by `prometheus_client`, within bounds.

https://prometheus.io/docs/instrumenting/exposition_formats/ and the OpenMetrics specification 1.0
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from fedsight.telemetry.agent.families import (
    Distribution,
    Family,
    Kind,
    Labels,
    Number,
    Point,
    Quantiles,
    Scraped,
)

if TYPE_CHECKING:
    from prometheus_client import Metric
    from prometheus_client.samples import Sample

ACCEPT = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
OPEN_METRICS = "application/openmetrics-text"
COUNTER = re.compile(r"^(#[ \t]+TYPE[ \t]+(\S+)[ \t]+)counter[ \t\r]*$", re.MULTILINE)
CREATED = "_created"
WHOLE = ("histogram", "summary")
#: What whole numbers of OTLP hold, and a time in seconds whose nanoseconds one holds.
MOST_WHOLE = 2**63
LATEST = 2**63 / 1e9


class PageError(Exception):
    """A page that is no Prometheus text, or has more than it may."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """The most that one page may have: bytes, points, and bytes of a line (to parse one takes the
    square of its labels). Above that nothing of it is taken."""

    bytes: int = 4 * 2**20
    points: int = 20_000
    line: int = 2**16


def parsed(body: bytes, *, open_metrics: bool, bounds: Bounds) -> Scraped:
    """The page's families, their names as the target has them. Raises PageError."""
    if not body.endswith(b"\n") and body:
        raise PageError("the page ends in the middle of a line")
    if max(map(len, body.split(b"\n"))) > bounds.line:
        raise PageError(f"the page has a line of more than {bounds.line} bytes")
    page = _Page(bounds)
    try:
        for family, left_out in _families(body.decode("utf-8"), open_metrics):
            page.add(family, left_out)
    # The parsers raise all of these for text that is not theirs.
    except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
        said = " ".join(str(error).split())[:200]
        raise PageError(f"the page is no Prometheus text: {said or type(error).__name__}") from None
    return page.scraped()


class _Page:
    """Families as they come. Scaphandre parts one by the lines of others; and a page may say a
    series twice, of which the first counts."""

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        self._families: dict[str, Family] = {}
        self._points: dict[str, dict[Labels, Point]] = {}
        self._found = 0
        self._left_out = 0

    def add(self, family: Family, left_out: int) -> None:
        """Raises PageError where that is more than the page may have."""
        of_page = self._families.setdefault(family.name, family)
        points = self._points.setdefault(family.name, {})
        before = len(points)
        if of_page.kind == family.kind:
            for point in family.points:
                points.setdefault(point.labels, point)
        added = len(points) - before
        self._found += added
        self._left_out += left_out + len(family.points) - added
        if self._found > self._bounds.points:
            raise PageError(f"the page has more than {self._bounds.points} points")

    def scraped(self) -> Scraped:
        """All of it; a family without points is none."""
        whole = (
            replace(family, points=tuple(self._points[name].values()))
            for name, family in self._families.items()
        )
        return Scraped(tuple(each for each in whole if each.points), self._left_out)


def _families(text: str, open_metrics: bool) -> Iterator[tuple[Family, int]]:
    counters = set[str]()
    if open_metrics:
        from prometheus_client.openmetrics.parser import text_string_to_metric_families as read
    else:
        from prometheus_client.parser import text_string_to_metric_families as read

        # The parser appends `_total` to counters; gauges keep their names.
        counters = {each[2] for each in COUNTER.finditer(text)}
        text = COUNTER.sub(r"\1gauge", text)
    for metric in read(text):  # type: ignore[no-untyped-call]
        if metric.type in WHOLE:
            yield _whole(metric)
        else:
            is_counter = metric.type == "counter" or metric.name in counters
            yield from _numbers(metric, "counter" if is_counter else "gauge")


def _numbers(metric: Metric, kind: Kind) -> Iterator[tuple[Family, int]]:
    """One family for each name of its lines: those of one that we do not know may have several."""
    began = _began(metric) if kind == "counter" else {}
    points: dict[str, list[Point]] = defaultdict(list)
    left_out = 0
    for line in metric.samples:
        if kind == "counter" and line.name.endswith(CREATED):
            continue
        if not math.isfinite(line.value):
            left_out += 1
            continue
        labels = _labels(line)
        points[line.name].append(Number(labels, float(line.value), _time(line), began.get(labels)))
    for name, found in points.items():
        about, unit = metric.documentation, metric.unit
        yield Family(name, kind, about, unit, tuple(found)), left_out
        left_out = 0
    if left_out:
        yield Family(metric.name, kind, metric.documentation, metric.unit, ()), left_out


def _whole(metric: Metric) -> tuple[Family, int]:
    """A histogram or a summary, whose lines without `le` or `quantile` belong together."""
    kind: Kind = "histogram" if metric.type == "histogram" else "summary"
    began = _began(metric)
    groups: dict[Labels, list[Sample]] = defaultdict(list)
    for line in metric.samples:
        if not line.name.endswith(CREATED):
            groups[_labels(line, without=("le", "quantile"))].append(line)
    made = _distribution if kind == "histogram" else _quantiles
    points = [made(metric.name, labels, lines, began) for labels, lines in groups.items()]
    whole: tuple[Point, ...] = tuple(each for each in points if each is not None)
    family = Family(metric.name, kind, metric.documentation, metric.unit, whole)
    return family, len(points) - len(whole)


def _distribution(
    name: str, labels: Labels, lines: list[Sample], began: dict[Labels, int]
) -> Distribution | None:
    """None where a bucket holds less than the one below, or the last one is missing."""
    ends = sorted(
        (float(line.labels["le"]), line.value) for line in lines if line.name == f"{name}_bucket"
    )
    if not ends or ends[-1][0] != math.inf or not all(math.isfinite(each) for _, each in ends):
        return None
    below = [0.0, *(count for _, count in ends)]
    counts = tuple(int(ends[at][1] - below[at]) for at in range(len(ends)))
    if min(counts) < 0 or sum(counts) > MOST_WHOLE:
        return None
    bounds = tuple(end for end, _ in ends[:-1])
    total = _one(lines, f"{name}_sum")
    return Distribution(labels, bounds, counts, total, _time(lines[0]), began.get(labels))


def _quantiles(
    name: str, labels: Labels, lines: list[Sample], began: dict[Labels, int]
) -> Quantiles | None:
    """None where it does not say how many values it is of; a quantile of none is left out."""
    count, total = _one(lines, f"{name}_count"), _one(lines, f"{name}_sum")
    if count is None or total is None or not 0 <= count <= MOST_WHOLE:
        return None
    found = tuple(
        (float(line.labels["quantile"]), float(line.value))
        for line in lines
        if "quantile" in line.labels and math.isfinite(line.value)
    )
    return Quantiles(labels, found, total, int(count), _time(lines[0]), began.get(labels))


def _one(lines: list[Sample], name: str) -> float | None:
    values = (float(line.value) for line in lines if line.name == name)
    return next((value for value in values if math.isfinite(value)), None)


def _began(metric: Metric) -> dict[Labels, int]:
    """When each of its series began (Unix ns), where OpenMetrics says it."""
    return {
        _labels(line): _nanoseconds(float(line.value))
        for line in metric.samples
        if line.name.endswith(CREATED) and 0 < line.value < LATEST
    }


def _labels(line: Sample, without: tuple[str, ...] = ()) -> Labels:
    """In the order of their names; an empty label is none, as in Prometheus."""
    return tuple(
        sorted((key, said) for key, said in line.labels.items() if said and key not in without)
    )


def _time(line: Sample) -> int | None:
    stated = line.timestamp
    if stated is None or not 0 < float(stated) < LATEST:
        return None
    return _nanoseconds(float(stated))


def _nanoseconds(seconds: float) -> int:
    """Of a time of day in float64 nothing below a microsecond is left."""
    return round(seconds * 1e6) * 1000
