"""An expression asked of a collector's store: the answer's bytes, piece by piece."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from fedsight.collector.promql import answers, parameters
from fedsight.collector.promql.errors import bad_data
from fedsight.collector.promql.evaluation import by_value, evaluated
from fedsight.collector.promql.selecting import Evaluation, nanoseconds, selected_times
from fedsight.collector.promql.syntax import parsed
from fedsight.collector.promql.values import Line, Scalar, Times, Value, Vector
from fedsight.collector.store.contract import SampleSearch


@dataclass(frozen=True, slots=True)
class Told:
    """An answer that is not written yet; `size` is about how many values it has."""

    size: int
    pieces: Iterator[bytes]


def at_once(samples: SampleSearch, query: str, time: int) -> Told:
    """An expression at one time, in ns. Raises PromError."""
    tree = parsed(query)
    times = np.array([time // parameters.MILLISECOND * parameters.MILLISECOND], np.int64)
    if type(tree).__name__ == "MatrixSelector":
        lines = range_samples(samples, times, tree)
        return Told(sum(len(line.time) for line in lines), answers.sample_pieces(lines))
    value = evaluated(Evaluation(samples, times), tree)
    return Told(_size(value), answers.instant_pieces(value, times, by_value(tree)))


def range_samples(samples: SampleSearch, times: Times, tree: Any) -> list[Line]:
    """The samples of a range vector at one time."""
    evaluation, length = Evaluation(samples, times), nanoseconds(tree.range)
    at = selected_times(tree.vector_selector, times)
    return [line for line in evaluation.lines(tree.vector_selector, at, length) if len(line.time)]


def over_range(samples: SampleSearch, query: str, times: Times) -> Told:
    """An expression at evenly spaced times. Raises PromError."""
    tree = parsed(query)
    if type(tree).__name__ in ("MatrixSelector", "SubqueryExpr", "StringLiteral"):
        raise _not_over_range()
    value = evaluated(Evaluation(samples, times), tree)
    if not isinstance(value, Vector | Scalar):
        raise _not_over_range()
    return Told(_size(value), answers.range_pieces(value, times))


def _not_over_range() -> Exception:
    return bad_data("invalid expression type for range query, must be Scalar or instant Vector")


def _size(value: Value) -> int:
    return value.values.size if isinstance(value, Vector | Scalar) else 1
