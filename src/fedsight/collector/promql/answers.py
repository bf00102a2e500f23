"""Values as the JSON of Prometheus's HTTP API, piece by piece.

https://prometheus.io/docs/prometheus/latest/querying/api/#expression-query-result-formats
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any, Literal

import msgspec
import numpy as np

from fedsight.collector.promql.shapes import Found, Metric, Success
from fedsight.collector.promql.values import Line, Scalar, Text, Times, Value, Vector, key


def number(value: float) -> str:
    """A value as Prometheus writes it; no digit is lost."""
    if math.isfinite(value):
        return repr(value).removesuffix(".0")
    return "NaN" if math.isnan(value) else ("+Inf" if value > 0 else "-Inf")


def seconds(times: Times) -> list[float]:
    """Unix seconds to the millisecond."""
    thousandths: list[int] = (times // 10**6).tolist()
    return [each / 1000 for each in thousandths]


def instant_pieces(value: Value, time: Times, falling: bool | None) -> Iterator[bytes]:
    """The answer at one time; `falling`: in which order of values, None: by labels."""
    at = seconds(time)[0]
    if isinstance(value, Scalar):
        yield from _whole("scalar", [at, number(float(value.values[0]))])
    elif isinstance(value, Text):
        yield from _whole("string", [at, value.value])
    else:
        yield from _series("vector", _instants(value, at, falling))


def _whole(kind: Literal["scalar", "string"], result: list[Any]) -> Iterator[bytes]:
    yield msgspec.json.encode(Success(Found(kind, result)))


def _instants(vector: Vector, at: float, falling: bool | None) -> Iterator[Any]:
    rows = [(labels, float(values[0])) for labels, values, _ in _rows(vector)]
    if falling is not None:
        # NaN comes last in either order.
        rows.sort(key=lambda row: (math.isnan(row[1]), -row[1] if falling else row[1]))
    for labels, value in rows:
        yield {"metric": labels, "value": [at, number(value)]}


def range_pieces(value: Vector | Scalar, times: Times) -> Iterator[bytes]:
    """The answer at all times of a range."""
    if isinstance(value, Scalar):
        there = np.ones((1, len(times)), bool)
        value = Vector([{}], value.values[None, :], there)
    at = seconds(times)
    yield from _series("matrix", _ranges(value, at))


def _ranges(vector: Vector, at: list[float]) -> Iterator[Any]:
    for labels, values, present in _rows(vector):
        places = np.flatnonzero(present).tolist()
        numbers = values[present].tolist()
        points = [[at[place], number(each)] for place, each in zip(places, numbers, strict=True)]
        yield {"metric": labels, "values": points}


def sample_pieces(lines: Iterable[Line]) -> Iterator[bytes]:
    """Samples as they are: what a range vector alone gives at one time."""

    def rows() -> Iterator[Any]:
        for line in lines:
            numbers = map(number, line.value.tolist())
            points = [list(point) for point in zip(seconds(line.time), numbers, strict=True)]
            yield {"metric": line.labels, "values": points}

    yield from _series("matrix", rows())


def _rows(vector: Vector) -> Iterator[tuple[Metric, Any, Any]]:
    """Those that have a value, by labels, so that the same question gives the same answer."""
    there = np.flatnonzero(vector.present.any(axis=1)).tolist()
    order = sorted(there, key=lambda at: key(vector.labels[at]))
    for at in order:
        yield vector.labels[at], vector.values[at], vector.present[at]


def _series(kind: str, rows: Iterable[Any]) -> Iterator[bytes]:
    yield b'{"status":"success","data":{"resultType":"' + kind.encode() + b'","result":['
    for at, row in enumerate(rows):
        yield (b"," if at else b"") + msgspec.json.encode(row)
    yield b"]}}"
