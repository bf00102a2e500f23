"""Answers as typed columns, before they are a frame of either library."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

Kind = Literal["time", "whole", "number", "text", "flag", "object"]

TIMES = frozenset({"time", "start", "started", "ended", "last_seen"})
WHOLE = frozenset(
    {"round", "rounds", "id", "selected", "participants", "failures", "samples"}
    | {"payload_down_bytes", "payload_up_bytes", "peak_memory_bytes", "model_parameters"}
)
TEXTS = frozenset(
    {"node", "phase", "status", "reason", "source", "kind", "run", "name", "task", "strategy"}
    | {"engine", "state"}
)
OBJECTS = frozenset({"details", "config", "nodes", "accuracy_trend", "labels"})
OBJECTS |= {"silent", "waiting", "stalled", "paused"}


class Dictionary(Struct):
    """Text, each distinct value once; `index` points into it, None where a cell is empty."""

    dictionary: list[str]
    index: list[int | None]


@dataclass(frozen=True, slots=True)
class Column:
    """Values of one kind: times and numbers as arrays, text as codes (-1: none) into `texts`."""

    kind: Kind
    values: Any
    texts: Sequence[str] = ()


Columns = dict[str, Column]


def kind_of(name: str, *, id_is_text: bool = False) -> Kind:
    """What a column of this name holds."""
    if name == "ok":
        return "flag"
    if name in TEXTS or (name == "id" and id_is_text):
        return "text"
    kinds: tuple[tuple[frozenset[str], Kind], ...] = (
        (TIMES, "time"),
        (WHOLE, "whole"),
        (OBJECTS, "object"),
    )
    return next((kind for names, kind in kinds if name in names), "number")


def column(kind: Kind, values: Sequence[Any] | Dictionary) -> Column:
    """A column of what came as JSON."""
    if isinstance(values, Dictionary):
        codes = np.array([-1 if at is None else at for at in values.index], np.int64)
        return Column(kind, codes, values.dictionary)
    if kind == "time":
        return Column(kind, times(values))
    if kind == "number":
        return Column(kind, np.array([np.nan if v is None else v for v in values], np.float64))
    if kind == "text":
        return coded(values)
    return Column(kind, list(values))


def times(values: Iterable[str | int | None]) -> NDArray[np.datetime64]:
    """RFC 3339 UTC or Unix nanoseconds as UTC, to the nanosecond."""
    given = list(values)
    if given and all(isinstance(each, int) for each in given):
        return np.array(given, np.int64).astype("datetime64[ns]")
    written = ["NaT" if each is None else str(each).removesuffix("Z") for each in given]
    return np.array(written, "datetime64[ns]")


def coded(values: Iterable[str | None]) -> Column:
    """Text as codes."""
    given = list(values)
    texts = list(dict.fromkeys(each for each in given if each is not None))
    codes: dict[str | None, int] = {text: at for at, text in enumerate(texts)}
    return Column("text", np.array([codes.get(each, -1) for each in given], np.int64), texts)


def of_rows(rows: Sequence[Mapping[str, Any]], names: Sequence[str], *, text_id: bool) -> Columns:
    """Rows as columns, in the order of `names`."""
    return {
        name: column(kind_of(name, id_is_text=text_id), [row.get(name) for row in rows])
        for name in names
    }


def of_columns(given: Mapping[str, list[Any] | Dictionary]) -> Columns:
    """An answer that came as columns."""
    return {name: column(kind_of(name), values) for name, values in given.items()}


def first_of(columns: Columns, rows: int) -> Columns:
    """Only the first rows."""
    return {
        name: Column(each.kind, each.values[:rows], each.texts) for name, each in columns.items()
    }


def joined(parts: Sequence[Columns]) -> Columns:
    """Columns of several pages, one after another."""
    if len(parts) == 1:
        return parts[0]
    return {name: _joined([part[name] for part in parts]) for name in parts[0]}


def _joined(parts: Sequence[Column]) -> Column:
    kind = parts[0].kind
    if kind == "text":
        texts = [
            None if code < 0 else part.texts[code]
            for part in parts
            for code in part.values.tolist()
        ]
        return coded(texts)
    if isinstance(parts[0].values, list):
        return Column(kind, [value for part in parts for value in part.values])
    return Column(kind, np.concatenate([part.values for part in parts]))
