"""Where in time samples of several sources lie over each other. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple


class Span(NamedTuple):
    """A range of time, `start <= time < end`."""

    start: int
    end: int


def shared(sources: Iterable[Span], within: Span) -> list[Span]:
    """The spans of time that more than one source may have samples in, in order.

    Outside of them no two sources can hold the same sample, so that counts may be added up.
    """
    edges: list[tuple[int, int]] = []
    for source in sources:
        start, end = max(source.start, within.start), min(source.end, within.end)
        if start < end:
            edges += [(start, 1), (end, -1)]
    found: list[Span] = []
    depth, since = 0, 0
    for time, change in sorted(edges):
        before, depth = depth, depth + change
        if before < 2 <= depth:
            since = time
        elif depth < 2 <= before and time > since:
            found.append(Span(since, time))
    return _touching_joined(found)


def _touching_joined(spans: Sequence[Span]) -> list[Span]:
    found: list[Span] = []
    for span in spans:
        if found and span.start <= found[-1].end:
            found[-1] = Span(found[-1].start, max(found[-1].end, span.end))
        else:
            found.append(span)
    return found


def outside(spans: Sequence[Span], within: Span) -> list[Span]:
    """What of `within` lies in none of `spans`, which are in order."""
    found: list[Span] = []
    at = within.start
    for span in spans:
        if at < min(span.start, within.end):
            found.append(Span(at, min(span.start, within.end)))
        at = max(at, span.end)
    if at < within.end:
        found.append(Span(at, within.end))
    return found
