"""Windows of many series put together by labels, so that what is counted need not travel. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from fedsight.collector.store.contract import NAME_LABEL, Points
from fedsight.door.refusal import BadFieldError
from fedsight.signals import Series

Group = Literal["sum", "mean", "min", "max", "count"]
LABEL = re.compile(r"[A-Za-z_][A-Za-z0-9_.:\-]{0,127}", re.ASCII)
MOST_LABELS = 16


@dataclass(frozen=True, slots=True)
class Grouping:
    """Series that are alike in these labels become one, window by window."""

    by: tuple[str, ...]
    group: Group


def grouping(by: str | None, group: Group | None) -> Grouping | None:
    """What `by` and `group` of a request say. Raises BadFieldError."""
    if by is None and group is None:
        return None
    names = [name.strip() for name in (by or "").split(",") if name.strip()]
    for name in names:
        if not LABEL.fullmatch(name):
            raise BadFieldError("by", f"must be labels such as node,task, got {name!r:.80}")
    if len(names) > MOST_LABELS:
        raise BadFieldError("by", f"must have at most {MOST_LABELS} labels")
    return Grouping(tuple(dict.fromkeys(names)), group or "sum")


def grouped(points: Sequence[Points], how: Grouping) -> list[Points]:
    """One series a group, in order of the labels' values; a window is there if any series has it.

    A group has a name where all its series have the same one, and else the empty text.
    """
    groups: dict[tuple[str, ...], list[Points]] = {}
    for each in points:
        groups.setdefault(_key(each.series, how.by), []).append(each)
    ordered = sorted(groups.items())
    if not ordered:
        return []
    members = [each for _, some in ordered for each in some]
    lengths = [len(each.time) for each in members]
    place = np.repeat(np.arange(len(ordered)), [len(some) for _, some in ordered])
    number = np.repeat(place, lengths)
    time = np.concatenate([each.time for each in members])
    value = np.concatenate([each.value for each in members])
    order = np.lexsort((time, number))
    number, time, value = number[order], time[order], value[order]
    new = (number[1:] != number[:-1]) | (time[1:] != time[:-1])
    begins = np.concatenate([[0], np.flatnonzero(new) + 1]).astype(np.int64)
    values = _gathered(value, begins, how.group)
    ends = np.searchsorted(number[begins], np.arange(len(ordered) + 1)).tolist()
    times = time[begins]
    return [
        Points(_series(key, some, how.by), times[low:high], values[low:high])
        for (key, some), low, high in zip(ordered, ends[:-1], ends[1:], strict=True)
    ]


def _gathered(
    value: NDArray[np.float64], begins: NDArray[np.int64], group: Group
) -> NDArray[np.float64]:
    counts = np.diff(np.append(begins, len(value))).astype(np.float64)
    if group == "count":
        return counts
    if group == "min":
        return np.minimum.reduceat(value, begins)
    if group == "max":
        return np.maximum.reduceat(value, begins)
    with np.errstate(over="ignore", invalid="ignore"):  # beyond float64 it is null in the answer
        total = np.add.reduceat(value, begins)
    return total / counts if group == "mean" else total


def _key(series: Series, by: Sequence[str]) -> tuple[str, ...]:
    labels = series.labels
    return tuple(series.name if name == NAME_LABEL else labels.get(name, "") for name in by)


def _series(key: Sequence[str], members: Sequence[Points], by: Sequence[str]) -> Series:
    names = {each.series.name for each in members}
    told = zip(by, key, strict=True)
    labels = {name: value for name, value in told if value and name != NAME_LABEL}
    return Series(names.pop() if len(names) == 1 else "", labels)
