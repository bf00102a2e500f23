"""What is asked of the store, from what a request says: its range, its windows and their bounds.

Pure: the same parameters at the same time are the same question.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from fedsight.collector.querying.filters import filters, narrows
from fedsight.collector.querying.grouping import Grouping, grouping
from fedsight.collector.querying.moments import UNITS, duration, fitting_step, moment, written
from fedsight.collector.querying.parameters import (
    MOST_POINTS,
    PAGE_POINTS,
    PointsQuery,
    SeriesQuery,
)
from fedsight.collector.reading.queries import LAST_ROUND
from fedsight.collector.store.contract import NAME_LABEL, Aggregation, Matcher, Selection
from fedsight.door.refusal import BadFieldError
from fedsight.door.times import LATEST

#: Windows of one series at most, as Prometheus has it, and how many are aimed at by default.
MOST_STEPS = 11_000
USUAL_STEPS = 500
#: Series of one question with windows at most.
MOST_SERIES = 20_000
#: Windows of all series together at most, before it is known which of them are empty.
MOST_WINDOWS = 5_000_000
USUAL_RANGE = UNITS["h"]

CURSOR = re.compile(r"(\d{1,19})-(\d{1,19})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Question:
    """Windows of `step` ns, or samples as they are where `step` is None.

    `rounds` are the rounds wanted, both included; None: any, and samples without a round.
    `grouping` says which series become one; None: each stays as it is.
    """

    selection: Selection
    step: int | None
    aggregation: Aggregation | None
    rounds: tuple[int, int] | None
    limit: int
    grouping: Grouping | None = None

    @property
    def length(self) -> int:
        """The range in ns."""
        return self.selection.end - self.selection.start


def question(query: PointsQuery, now: int, of_run: tuple[int, int] | None) -> Question:
    """The question; `of_run` is when the run that is asked for began and was last seen.

    Raises BadFieldError naming the parameter that is wrong, and how to narrow what is too much.
    """
    matchers = _matchers(query)
    if not any(narrows(each) for each in matchers):
        raise BadFieldError("name", "name a metric, a run or a label: a query asks for something")
    start, end = _range(query, now, of_run)
    step, aggregation = _windows(query, end - start)
    rounds = _rounds(query, step)
    limit = query.limit or (PAGE_POINTS if step is None else MOST_POINTS)
    groups = grouping(query.by, query.group)
    if groups is not None and step is None:
        raise BadFieldError("by", "only windows are put together: name a step or an aggregation")
    asked = Question(Selection(matchers, start, end), step, aggregation, rounds, limit, groups)
    check_steps(asked)
    return asked


def listing(query: SeriesQuery, now: int) -> Selection:
    """Which series are listed. Raises BadFieldError."""
    start = 0 if query.start is None else moment("from", query.start, now)
    end = LATEST if query.end is None else moment("to", query.end, now)
    if start >= end:
        raise BadFieldError("from", "must be before to")
    return Selection(_matchers(query), start, end)


def _matchers(query: PointsQuery | SeriesQuery) -> tuple[Matcher, ...]:
    named = [] if query.name is None else [Matcher(NAME_LABEL, "=", query.name)]
    of_run = [] if query.run is None else [Matcher("run", "=", query.run)]
    return (*named, *of_run, *filters("labels", query.labels))


def _range(query: PointsQuery, now: int, of_run: tuple[int, int] | None) -> tuple[int, int]:
    if query.cursor is not None:
        return _of_cursor(query)
    first, last = of_run or (now - USUAL_RANGE, now)
    start = first if query.start is None else moment("from", query.start, now)
    end = last + 1 if query.end is None else moment("to", query.end, now)
    if start >= end:
        raise BadFieldError("from", "must be before to")
    return start, end


def _of_cursor(query: PointsQuery) -> tuple[int, int]:
    """Where the page before ended, and where the first request's range does."""
    found = CURSOR.fullmatch(query.cursor or "")
    if query.step is not None or query.aggregation is not None:
        raise BadFieldError("cursor", "only samples as they are come in pages: leave out step")
    start, end = (int(found[1]), int(found[2])) if found else (0, 0)
    if not start < end <= LATEST + 1:
        raise BadFieldError("cursor", "must be what the page before gave as `next`")
    return start, end


def cursor(start: int, end: int) -> str:
    """What a page gives as `next`."""
    return f"{start}-{end}"


def _windows(query: PointsQuery, length: int) -> tuple[int | None, Aggregation | None]:
    if query.step is None and query.aggregation is None:
        return None, None
    if query.step is None:
        return fitting_step(length, USUAL_STEPS), query.aggregation
    return duration("step", query.step), query.aggregation or "mean"


def _rounds(query: PointsQuery, step: int | None) -> tuple[int, int] | None:
    rounds = query.from_round, query.to_round
    if rounds == (0, LAST_ROUND):
        return None
    if step is not None:
        raise BadFieldError("from_round", "windows have no rounds: leave out step and aggregation")
    return rounds


def check_steps(asked: Question) -> None:
    """Refuse what has too many windows for one series, and say what would fit."""
    if asked.step is None or asked.length // asked.step + 2 <= MOST_STEPS:
        return
    fitting = fitting_step(asked.length, MOST_STEPS)
    raise BadFieldError(
        "step",
        f"{written(asked.length)} in steps of {written(asked.step)} are"
        f" {asked.length // asked.step} windows a series, at most {MOST_STEPS} are given:"
        f" use step={written(fitting)}, or a range of at most"
        f" {written(asked.step * (MOST_STEPS - 2))}",
    )


def too_many(asked: Question, series: int) -> bool:
    """Whether windows of so many series are refused."""
    assert asked.step is not None
    return series > MOST_SERIES or series * (asked.length // asked.step + 2) > MOST_WINDOWS


def check_series(asked: Question, series: int) -> None:
    """Refuse windows of too many series, or too many of them, and say what would fit."""
    assert asked.step is not None
    if series > MOST_SERIES:
        raise BadFieldError(
            "labels", f"more than {MOST_SERIES} series match: name a run, a node or other labels"
        )
    if series * (asked.length // asked.step + 2) > MOST_WINDOWS:
        fitting = fitting_step(asked.length, max(3, MOST_WINDOWS // series))
        raise BadFieldError(
            "step",
            f"{series} series in {asked.length // asked.step} windows each are more than"
            f" {MOST_WINDOWS}: use step={written(fitting)}, or fewer series",
        )


def check_points(asked: Question, points: int) -> None:
    """Refuse an answer beyond its limit, and say what would fit."""
    assert asked.step is not None
    if points <= asked.limit:
        return
    fitting = fitting_step(asked.step * -(-points // asked.limit), 2)
    raise BadFieldError(
        "limit",
        f"the answer has {points} points, above the limit of {asked.limit}:"
        f" use step={written(fitting)} or a higher limit (at most {MOST_POINTS})",
    )
