"""Where in time samples of several sources lie over each other. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

#: Spans of time that one source is told by at most.
MOST = 16
#: Samples that lie no further apart in time than this, in ns, are of one span.
NEAR = 60 * 10**9


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


def clusters(time: NDArray[np.int64]) -> list[Span]:
    """The spans in which samples lie, in order: late ones do not make one long span of all."""
    if not time.size:
        return []
    if not (time[1:] >= time[:-1]).all():
        # What comes is in order but for a few places. Stable means timsort, which makes use of it.
        time = np.sort(time[np.append(np.flatnonzero(time[1:] != time[:-1]), -1)], kind="stable")
    ordered = time
    gaps = np.flatnonzero(np.diff(ordered) > NEAR)
    begins = [int(ordered[0]), *ordered[gaps + 1].tolist()]
    ends = [*(ordered[gaps] + 1).tolist(), int(ordered[-1]) + 1]
    return united_spans([Span(*pair) for pair in zip(begins, ends, strict=True)])


def united_spans(spans: Iterable[Span]) -> list[Span]:
    """Spans of one source, in order and apart; the nearest are joined until they are few."""
    found = _touching_joined(sorted(spans))
    if len(found) <= MOST:
        return found
    gaps = sorted(after.start - before.end for before, after in pairwise(found))
    widest = gaps[-(MOST - 1)]
    joined: list[Span] = [found[0]]
    for span in found[1:]:
        if span.start - joined[-1].end >= widest and len(joined) < MOST:
            joined.append(span)
        else:
            joined[-1] = Span(joined[-1].start, max(joined[-1].end, span.end))
    return joined
