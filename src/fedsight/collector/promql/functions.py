"""Functions of scalars and instant vectors, at all times at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from fedsight.collector.promql.errors import not_evaluated
from fedsight.collector.promql.histogram import histogram_quantile
from fedsight.collector.promql.values import (
    Floats,
    Labels,
    Scalar,
    Text,
    Value,
    Vector,
    anywhere,
    merged,
    unnamed,
)
from fedsight.collector.store.contract import NAME_LABEL, Matcher

#: Functions of each value alone.
ELEMENTWISE: dict[str, Callable[[Floats], Floats]] = {
    "abs": np.abs,
    "ceil": np.ceil,
    "floor": np.floor,
    "exp": np.exp,
    "ln": np.log,
    "log2": np.log2,
    "log10": np.log10,
    "sqrt": np.sqrt,
    "sgn": np.sign,
}


def elementwise(vector: Vector, function: Callable[[Floats], Floats]) -> Vector:
    """Each value changed; the result is no longer the metric."""
    return unnamed(Vector(vector.labels, function(vector.values), vector.present))


def rounded(vector: Vector, to: Scalar) -> Vector:
    """`round`: halves up, to a multiple."""
    inverse = 1 / to.values
    return elementwise(vector, lambda values: np.floor(values * inverse + 0.5) / inverse)


def clamped(vector: Vector, low: Floats, high: Floats) -> Vector:
    """`clamp`: nothing where the lower bound is above the upper."""
    values = np.maximum(np.minimum(vector.values, high), low)
    return unnamed(Vector(vector.labels, values, vector.present & ~(high < low)))


def to_scalar(vector: Vector) -> Scalar:
    """`scalar`: the only series' value; NaN where there is none, or more than one."""
    alone = vector.present.sum(axis=0) == 1
    total = np.where(vector.present, vector.values, 0.0).sum(axis=0)
    return Scalar(np.where(alone, total, np.nan))


def to_vector(scalar: Scalar) -> Vector:
    """`vector`: one series without labels."""
    values = scalar.values[None, :]
    return Vector([{}], values, np.ones_like(values, bool))


def absent(vector: Vector, matchers: Iterable[Matcher]) -> Vector:
    """`absent`: 1 at the times that have no series, with the labels that were asked for."""
    labels: Labels = {}
    doubted: set[str] = set()
    for each in matchers:
        if each.label == NAME_LABEL:
            continue
        if each.op == "=" and each.label not in labels and each.label not in doubted:
            labels[each.label] = each.value
        else:
            labels.pop(each.label, None)
            doubted.add(each.label)
    times = vector.values.shape[1]
    nowhere = ~anywhere(vector.present)[None, :]
    if not nowhere.any():
        return Vector([], np.zeros((0, times)), np.zeros((0, times), bool))
    return Vector([labels], np.ones((1, times)), nowhere)


def label_join(vector: Vector, target: str, between: str, sources: Iterable[str]) -> Vector:
    """`label_join`: a label made of others' values."""
    names = list(sources)
    labels = []
    for each in vector.labels:
        text = between.join(each.get(name, "") for name in names)
        kept = {name: value for name, value in each.items() if name != target}
        labels.append({**kept, target: text} if text else kept)
    return merged(Vector(labels, vector.values, vector.present), whole=True)


def called(name: str, given: list[Value], times: Floats) -> Value:
    """A function of values that are there already; `times` in Unix seconds.

    Raises PromError for a function that is not part of what this API knows.
    """
    vectors = [each for each in given if isinstance(each, Vector)]
    numbers = [each for each in given if isinstance(each, Scalar)]
    texts = [each.value for each in given if isinstance(each, Text)]
    if name == "time":
        return Scalar(times)
    if name == "vector":
        return to_vector(numbers[0])
    if not vectors:
        raise unknown(name)
    return _of_vector(name, vectors[0], numbers, texts)


def _of_vector(name: str, vector: Vector, numbers: list[Scalar], texts: list[str]) -> Value:
    if name in ELEMENTWISE:
        return elementwise(vector, ELEMENTWISE[name])
    if name in ("sort", "sort_desc"):
        return vector
    if name == "scalar":
        return to_scalar(vector)
    if name == "histogram_quantile":
        return histogram_quantile(numbers[0], vector)
    if name == "label_join":
        return label_join(vector, texts[0], texts[1], texts[2:])
    if name == "round":
        return rounded(vector, numbers[0] if numbers else Scalar(np.ones(vector.values.shape[1])))
    if name in ("clamp", "clamp_min", "clamp_max"):
        return _clamped(name, vector, [each.values for each in numbers])
    raise unknown(name)


def _clamped(name: str, vector: Vector, bounds: list[Floats]) -> Vector:
    if name == "clamp":
        return clamped(vector, bounds[0], bounds[1])
    infinite = np.full(vector.values.shape[1], np.inf)
    if name == "clamp_min":
        return clamped(vector, bounds[0], infinite)
    return clamped(vector, -infinite, bounds[0])


def unknown(what: str) -> Exception:
    """The refusal of a part of PromQL that this API does not evaluate."""
    return not_evaluated(
        f"{what} is not evaluated here: docs/queries.md lists the part of PromQL that is"
    )
