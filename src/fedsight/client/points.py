"""Points of many series as one long table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from msgspec import Struct

from fedsight.client.columns import Column, Columns, coded


class PointsOfSeries(Struct):
    """Points of one series: columns of equal length, times in Unix nanoseconds."""

    name: str
    labels: dict[str, str]
    times: list[int]
    values: list[float | None]
    rounds: list[int | None] | None = None


class PointsAnswer(Struct):
    """A page of points; `next` is the cursor of the page that follows."""

    series: list[PointsOfSeries]
    next: str | None = None


def points_columns(pages: Sequence[PointsAnswer]) -> Columns:
    """Time, name, each label that any series has, value and, where samples have them, rounds."""
    found = _by_series([each for page in pages for each in page.series])
    lengths = np.array([len(each.times) for each in found], np.int64)
    times = np.concatenate([np.zeros(0, np.int64), *(each.times for each in found)])
    values = [np.nan if v is None else v for each in found for v in each.values]
    columns: Columns = {"time": Column("time", times.astype(np.int64).astype("datetime64[ns]"))}
    columns["name"] = _repeated([each.name for each in found], lengths)
    for label in sorted({label for each in found for label in each.labels}):
        columns[label_column(label)] = _repeated([e.labels.get(label) for e in found], lengths)
    columns["value"] = Column("number", np.array(values, np.float64))
    if any(each.rounds is not None for each in found):
        rounds = [each.rounds or [None] * len(each.times) for each in found]
        columns["round"] = Column("whole", [number for each in rounds for number in each])
    return columns


def _by_series(found: Sequence[PointsOfSeries]) -> list[PointsOfSeries]:
    """What pages have of one series together, in the order of pages, which is that of time."""
    places: dict[tuple[str, ...], int] = {}
    keys = [(each.name, *each.labels, *each.labels.values()) for each in found]
    for each in keys:
        places.setdefault(each, len(places))
    order = sorted(range(len(found)), key=lambda at: places[keys[at]])
    return [found[at] for at in order]


def label_column(label: str) -> str:
    """The column of a label; one that has the name of another column is told apart."""
    return f"label_{label}" if label in ("time", "name", "value", "round") else label


def _repeated(texts: Sequence[str | None], lengths: Any) -> Column:
    """Each text for as many points as its series has."""
    one = coded(texts)
    return Column("text", np.repeat(one.values, lengths), one.texts)


def series_columns(series: Sequence[tuple[str, Mapping[str, str]]]) -> Columns:
    """A row a series, from its name and labels."""
    labels = sorted({label for _, of in series for label in of})
    columns: Columns = {"name": coded(name for name, _ in series)}
    for label in labels:
        columns[label_column(label)] = coded(of.get(label) for _, of in series)
    return columns
