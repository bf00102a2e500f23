"""Series selectors: fetching samples, and the value of a series at a time."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np

from fedsight.collector.promql.errors import PromError, bad_data, not_evaluated
from fedsight.collector.promql.syntax import matchers
from fedsight.collector.promql.values import Flags, Labels, Line, Times, Vector, stacked
from fedsight.collector.store.contract import NAME_LABEL, Matcher, Points, SampleSearch, Selection
from fedsight.door.refusal import BadFieldError
from fedsight.door.times import LATEST

if TYPE_CHECKING:
    import promql_parser as promql

#: How old a sample may be that stands for a series' value at a time.
LOOKBACK = 5 * 60 * 10**9
#: Samples that one query reads, samples in all its windows, and values of one vector, at most.
MOST_SAMPLES = 5_000_000
MOST_WORK = 50_000_000
MOST_CELLS = 5_000_000
QUERY_SECONDS = 30.0
#: The longest duration: moved by it, no time of ours leaves an int64 of nanoseconds.
LONGEST_NS = 100 * 366 * 86_400 * 10**9
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Range = tuple[tuple[Matcher, ...], int, int]


@dataclass
class Evaluation:
    """One query under way: over which store, at which times, and what it may still spend."""

    samples: SampleSearch
    times: Times
    samples_left: int = MOST_SAMPLES
    work_left: int = MOST_WORK
    deadline: float = field(default_factory=lambda: time.monotonic() + QUERY_SECONDS)
    _lines: dict[Range, list[Line]] = field(default_factory=dict)

    def spend(self, work: int) -> None:
        """Count work about to be done. Raises PromError where it is too much, or too late."""
        self.work_left -= work
        if self.work_left < 0:
            raise not_evaluated(
                f"the windows of this query hold more than {MOST_WORK} samples together:"
                " use a longer step, a shorter range or fewer series"
            )
        if time.monotonic() > self.deadline:
            raise PromError("timeout", f"the query took longer than {QUERY_SECONDS:g} s")

    def check_cells(self, series: int) -> None:
        """Refuse a vector that would not fit in memory."""
        if series * len(self.times) > MOST_CELLS:
            raise not_evaluated(
                f"{series} series at {len(self.times)} times are more than {MOST_CELLS} values:"
                " use a longer step, a shorter range or fewer series"
            )

    def lines(self, selector: promql.VectorSelector, times: Times, before: int) -> list[Line]:
        """Samples of the selected series from `before` ns ahead of the first time to the last."""
        wanted = (matchers(selector), int(times.min()) - before, int(times.max()) + 1)
        found = self._lines.get(wanted)
        if found is None:
            found = self._lines[wanted] = self._fetched(*wanted)
        self.check_cells(len(found))
        return found

    def _fetched(self, of: tuple[Matcher, ...], start: int, end: int) -> list[Line]:
        selection = Selection(of, max(0, start), max(0, end))
        lines: list[Line] = []
        try:
            for points in self.samples.points(selection, self.samples_left + 1):
                self.samples_left -= len(points.time)
                lines.append(line(points))
        except BadFieldError as error:
            raise bad_data(f"invalid matcher: {error}") from None
        if self.samples_left < 0:
            raise not_evaluated(
                f"the query reads more than {MOST_SAMPLES} samples: use a shorter range, or name"
                " more labels"
            )
        return lines


def line(points: Points) -> Line:
    """Points as samples of PromQL, which knows no rounds: of one time the last round counts."""
    labels: Labels = {NAME_LABEL: points.series.name, **points.series.labels}
    new = points.time[1:] != points.time[:-1]
    if new.all():
        return Line(labels, points.time, points.value)
    last = np.append(new, True)
    return Line(labels, points.time[last], points.value[last])


def nanoseconds(length: timedelta | None) -> int:
    """A duration of the parser's. Raises PromError for one that no time can be moved by."""
    found = 0 if length is None else length // timedelta(microseconds=1) * 1000
    if abs(found) > LONGEST_NS:
        raise bad_data("a duration of this query is longer than a hundred years")
    return found


def selected_times(selector: promql.VectorSelector, times: Times) -> Times:
    """At which times a selector is looked up, after `offset` and `@`."""
    looked = times
    if selector.at is not None:
        kind = str(selector.at.type).rpartition(".")[2]
        fixed = {"Start": int(times[0]), "End": int(times[-1])}.get(kind)
        if fixed is None:
            fixed = _fixed(selector.at)
        looked = np.full_like(times, fixed)
    return looked - nanoseconds(selector.offset)


def _fixed(at: promql.AtModifier) -> int:
    try:
        assert at.at is not None
        found = (at.at - EPOCH) // timedelta(microseconds=1) * 1000
    except (ValueError, OverflowError):
        found = -1  # the parser's time is beyond Python's
    if not 0 <= found <= LATEST:
        raise bad_data("a time after @ is not between 1970 and 2200")
    return found


def instant(evaluation: Evaluation, selector: promql.VectorSelector) -> Vector:
    """The newest sample at each time, none older than LOOKBACK."""
    times = selected_times(selector, evaluation.times)
    rows = []
    for each in evaluation.lines(selector, times, LOOKBACK):
        at, present = newest(each, times)
        rows.append((each.labels, each.value[at], present))
    return stacked(rows, len(times))


def sample_times(evaluation: Evaluation, selector: promql.VectorSelector) -> Vector:
    """When those samples were taken, in Unix seconds."""
    times = selected_times(selector, evaluation.times)
    rows = []
    for each in evaluation.lines(selector, times, LOOKBACK):
        at, present = newest(each, times)
        rows.append((each.labels, each.time[at] / 1e9, present))
    return stacked(rows, len(times))


def newest(line: Line, times: Times) -> tuple[Times, Flags]:
    """Where in a line the newest sample of each time is, and whether it is young enough."""
    at = np.searchsorted(line.time, times, "right") - 1
    found = np.maximum(at, 0)
    return found, (at >= 0) & (line.time[found] >= times - LOOKBACK)
