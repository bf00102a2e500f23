"""Samples of an export in pieces that fit in memory: as they came in, or as windows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from fedsight.collector.export.request import Scope
from fedsight.collector.export.selections import selections
from fedsight.collector.export.slices import MOST, Slice, counted, slices
from fedsight.collector.export.source import Source
from fedsight.collector.store.contract import Aggregation, Points, SampleSearch, Selection
from fedsight.signals import Series, series_key

#: What a window tells; its mean is the sum by the count.
WINDOW: tuple[Aggregation, ...] = ("count", "sum", "min", "max", "last")
NO_LIMIT = 2**40


@dataclass(frozen=True, slots=True)
class Piece:
    """Samples or windows of some series as columns; `index` points into `series`, times in ns.

    A round of -1 and a figure of NaN stand for none. `done` is the share of all samples, 0 to 1,
    that were read with this piece.
    """

    series: Sequence[Series]
    index: NDArray[np.int32]
    columns: Mapping[str, NDArray[Any]]
    done: float


class _Part(NamedTuple):
    selection: Selection
    slice: Slice


def pieces(source: Source, scope: Scope, most: int = MOST) -> Iterator[Piece]:
    """The samples in scope, by component, then slices of time, within a slice by series."""
    parts = list(_parts(source, scope, most))
    total, read = sum(part.slice.held for part in parts), 0
    for selection, (start, end, held) in parts:
        found = _read(source, Selection(selection.matchers, start, end), scope.step)
        read += held
        series, columns = found
        if series:
            index = np.repeat(
                np.arange(len(series), dtype=np.int32), [len(c["time"]) for c in columns]
            )
            yield Piece(series, index, _joined(columns), read / max(1, total))


def _parts(source: Source, scope: Scope, most: int) -> Iterator[_Part]:
    for selection in selections(scope):
        counts = counted(source, selection)
        for part in slices(
            counts, selection.start, selection.end, grain=scope.step or 1, most=most
        ):
            yield _Part(selection, part)


Columns = dict[str, NDArray[Any]]


def _read(
    source: Source, selection: Selection, step: int | None
) -> tuple[list[Series], list[Columns]]:
    if step is None:
        points = source.samples(lambda samples: list(samples.points(selection, NO_LIMIT)))
        return [each.series for each in points], [_raw(each) for each in points]
    width = step
    found = source.samples(lambda samples: _windows(samples, selection, width))
    return [series for series, _ in found], [columns for _, columns in found]


def _raw(points: Points) -> Columns:
    none = np.full(len(points.time), -1, np.int32)
    rounds = none if points.round is None else points.round
    return {"time": points.time, "round": rounds, "value": points.value}


def _windows(
    samples: SampleSearch, selection: Selection, step: int
) -> list[tuple[Series, Columns]]:
    """Every aggregation of the same windows, side by side."""
    asked = {name: _by_series(samples.windows(selection, step, name)) for name in WINDOW}
    counts = asked.pop("count")
    found: list[tuple[Series, Columns]] = []
    for key, points in counts.items():
        others: Columns = {name: _aligned(points.time, of.get(key)) for name, of in asked.items()}
        count = np.rint(points.value).astype(np.int64)
        mean = others["sum"] / np.maximum(count, 1)
        found.append((points.series, {"time": points.time, "count": count, **others, "mean": mean}))
    return found


def _by_series(points: Iterable[Points]) -> dict[str, Points]:
    return {series_key(each.series.name, each.series.labels): each for each in points}


def _aligned(times: NDArray[np.int64], points: Points | None) -> NDArray[np.float64]:
    """A column for these windows; NaN where a store that changes meanwhile has none."""
    if points is not None and np.array_equal(points.time, times):
        return points.value
    column = np.full(len(times), np.nan)
    if points is not None:
        _, mine, theirs = np.intersect1d(times, points.time, return_indices=True)
        column[mine] = points.value[theirs]
    return column


def _joined(columns: Sequence[Columns]) -> Columns:
    return {name: np.concatenate([each[name] for each in columns]) for name in columns[0]}


def label_columns(series: Sequence[Series]) -> dict[str, NDArray[np.object_]]:
    """Name, run, node and, as JSON, all other labels of each series; None where there are none."""
    named = [[each.name, *_labels(each.labels)] for each in series]
    columns = zip(*named, strict=True) if named else ((), (), (), ())
    keys = ("name", "run", "node", "labels")
    return {key: np.array([*column], object) for key, column in zip(keys, columns, strict=True)}


def _labels(labels: Mapping[str, str]) -> tuple[str | None, str | None, str | None]:
    others = {name: labels[name] for name in sorted(labels) if name not in ("run", "node")}
    text = msgspec.json.encode(others).decode() if others else None
    return labels.get("run"), labels.get("node"), text
