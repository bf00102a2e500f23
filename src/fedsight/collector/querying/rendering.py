"""Answers as bytes, piece by piece: JSON of `docs/queries.md`, or CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import msgspec
import numpy as np
from msgspec import UNSET, Struct, UnsetType
from numpy.typing import NDArray

from fedsight.collector.csv_cells import text_cell
from fedsight.collector.store.contract import Aggregation, Points
from fedsight.door.times import rfc3339_column
from fedsight.signals import Series

#: Points that are written at once, and bytes that are sent at once.
PIECE = 10_000
CHUNK_BYTES = 64 * 1024


class AnswerHead(Struct, frozen=True):
    """What an answer says before its series; `step` in seconds, `next` a cursor."""

    start: str = msgspec.field(name="from")
    end: str = msgspec.field(name="to")
    step: float | None
    aggregation: Aggregation | None
    next: str | None


class SeriesPoints(Struct, frozen=True, omit_defaults=True):
    """Points of one series in order of time: columns of equal length.

    Times are RFC 3339, or nanoseconds where so asked; a round is None where a sample has none, and
    windows have no rounds. A value is None where it is beyond what a float64 holds.
    """

    name: str
    labels: dict[str, str]
    times: list[str | int]
    values: list[float | None]
    rounds: list[int | None] | UnsetType = UNSET


class SamplesAnswer(AnswerHead, frozen=True):
    """The whole answer of `/api/v1/query`."""

    series: list[SeriesPoints]


class SeriesList(Struct, frozen=True):
    """Series by name, then labels; `total` is None where there are more than are counted."""

    series: list[Series]
    total: int | None


def chunks(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes in pieces of a size worth sending."""
    held: list[bytes] = []
    size = 0
    for piece in pieces:
        held.append(piece)
        size += len(piece)
        if size >= CHUNK_BYTES:
            yield b"".join(held)
            held, size = [], 0
    yield b"".join(held)


def json_whole(head: AnswerHead, points: Sequence[Points], *, ns: bool) -> bytes:
    """A `SamplesAnswer` of few points: written at once, which is quickest."""
    lines = [
        SeriesPoints(
            each.series.name,
            each.series.labels,
            list(plain_column(each.time) if ns else rfc3339_column(each.time)),
            each.value.tolist(),
            UNSET if each.round is None else round_column(each.round),
        )
        for each in points
    ]
    return msgspec.json.encode(
        SamplesAnswer(head.start, head.end, head.step, head.aggregation, head.next, lines)
    )


def json_pieces(head: AnswerHead, points: Sequence[Points], *, ns: bool) -> Iterator[bytes]:
    """A `SamplesAnswer`."""
    yield msgspec.json.encode(head)[:-1] + b',"series":['
    for at, each in enumerate(points):
        yield (b"," if at else b"") + msgspec.json.encode(each.series)[:-1]
        yield from _column(b"times", each.time, plain_column if ns else rfc3339_column)
        yield from _column(b"values", each.value, plain_column)
        if each.round is not None:
            yield from _column(b"rounds", each.round, round_column)
        yield b"}"
    yield b"]}"


def _column(
    name: bytes, values: NDArray[Any], listed: Callable[[NDArray[Any]], list[Any]]
) -> Iterator[bytes]:
    yield b',"' + name + b'":['
    for at in range(0, len(values), PIECE):
        written = msgspec.json.encode(listed(values[at : at + PIECE]))[1:-1]
        yield b"," + written if at else written
    yield b"]"


def plain_column(values: NDArray[Any]) -> list[Any]:
    """Numbers as they are."""
    cells: list[Any] = values.tolist()
    return cells


def round_column(rounds: NDArray[np.int32]) -> list[int | None]:
    """Rounds with None for -1."""
    cells: list[int | None] = rounds.tolist()
    if cells and np.minimum.reduce(rounds) < 0:
        for at in np.flatnonzero(rounds < 0).tolist():
            cells[at] = None
    return cells


def csv_pieces(points: Sequence[Points], *, ns: bool) -> Iterator[bytes]:
    """One row a point: time, name, each label that any series has, value, round."""
    labels = sorted({label for each in points for label in each.series.labels})
    yield _csv([["time", "name", *labels, "value", "round"]])
    for each in points:
        told = [each.series.name, *(each.series.labels.get(label, "") for label in labels)]
        fixed = [text_cell(text) for text in told]
        for at in range(0, len(each.time), PIECE):
            yield _csv(_rows(each, fixed, slice(at, at + PIECE), ns))


def _rows(points: Points, fixed: list[str], part: slice, ns: bool) -> Iterator[list[Any]]:
    times = points.time[part].tolist() if ns else rfc3339_column(points.time[part])
    values = points.value[part].tolist()
    rounds = [None] * len(values) if points.round is None else round_column(points.round[part])
    for time, value, round_ in zip(times, values, rounds, strict=True):
        yield [time, *fixed, value, "" if round_ is None else round_]


def _csv(rows: Iterable[list[Any]]) -> bytes:
    """RFC 4180."""
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()
