"""What expressions are while they are evaluated: all times of a range query at once, as columns.

`present` is apart from the value, because NaN is a value of PromQL like any other.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fedsight.collector.promql.errors import not_evaluated
from fedsight.collector.store.contract import NAME_LABEL

Labels = dict[str, str]
LabelKey = tuple[tuple[str, str], ...]
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Times = NDArray[np.int64]

SAME_LABELS = "vector cannot contain metrics with the same labelset"


@dataclass(frozen=True, slots=True)
class Vector:
    """Series at each of S times: `values` and `present` have shape (series, S).

    A value where none is present means nothing.
    """

    labels: list[Labels]
    values: Floats
    present: Flags


@dataclass(frozen=True, slots=True)
class Scalar:
    """One number at each of S times."""

    values: Floats


@dataclass(frozen=True, slots=True)
class Text:
    """A string literal."""

    value: str


Value = Vector | Scalar | Text


@dataclass(frozen=True, slots=True)
class Line:
    """Samples of one series, in order of time, no two of one time."""

    labels: Labels
    time: Times
    value: Floats


def key(labels: Labels) -> LabelKey:
    """Labels as something that can be compared: equal labels, equal keys."""
    return tuple(sorted(labels.items()))


def without_name(labels: Labels) -> Labels:
    """The labels that are left when a value is no longer that of the metric."""
    return {label: value for label, value in labels.items() if label != NAME_LABEL}


def unnamed(vector: Vector) -> Vector:
    """The same without metric names. Raises PromError where two series are then the same."""
    labels = [without_name(each) for each in vector.labels]
    return merged(Vector(labels, vector.values, vector.present))


def merged(vector: Vector, *, whole: bool = False) -> Vector:
    """Series of equal labels as one. Raises PromError where both have a value at one time.

    `whole`: even where they have none, as Prometheus has it for functions of ranges.
    """
    places: dict[LabelKey, int] = {}
    for at, labels in enumerate(vector.labels):
        places.setdefault(key(labels), at)
    if len(places) == len(vector.labels):
        return vector
    if whole:
        raise not_evaluated(SAME_LABELS)
    kept = list(places.values())
    target = {place: at for at, place in enumerate(kept)}
    values, present = vector.values[kept], vector.present[kept]
    for at, labels in enumerate(vector.labels):
        to = target[places[key(labels)]]
        if at == places[key(labels)]:
            continue
        if (present[to] & vector.present[at]).any():
            raise not_evaluated(SAME_LABELS)
        values[to] = np.where(vector.present[at], vector.values[at], values[to])
        present[to] |= vector.present[at]
    return Vector([vector.labels[place] for place in kept], values, present)


def stacked(rows: Sequence[tuple[Labels, Floats, Flags]], times: int) -> Vector:
    """Rows as a vector; those without any value are left out."""
    kept = [row for row in rows if row[2].any()]
    if not kept:
        return Vector([], np.zeros((0, times)), np.zeros((0, times), bool))
    labels, values, present = zip(*kept, strict=True)
    return Vector(list(labels), np.array(values), np.array(present))


def anywhere(present: Flags) -> Flags:
    """At which times any of several series has a value."""
    return np.asarray(present.any(axis=0))


def grouped(keys: Iterable[LabelKey]) -> dict[LabelKey, list[int]]:
    """Where each key is found."""
    groups: dict[LabelKey, list[int]] = {}
    for at, each in enumerate(keys):
        groups.setdefault(each, []).append(at)
    return groups
