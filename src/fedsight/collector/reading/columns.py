"""Rows as columns: `layout=columns` of `docs/api.md`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedsight.collector.reading.rows import RoundPage, RoundRow, TextColumn
from fedsight.collector.store.figures import COUNTS, LARGEST_COUNT

Column = list[Any] | TextColumn


def text_column(values: Sequence[str | None]) -> TextColumn:
    """Text, each distinct value once."""
    dictionary = list(dict.fromkeys(value for value in values if value is not None))
    code: dict[str | None, int | None] = {text: at for at, text in enumerate(dictionary)}
    code[None] = None
    return TextColumn(dictionary, [code[value] for value in values])


def coded_column(dictionary: Sequence[str], codes: NDArray[np.integer[Any]]) -> TextColumn:
    """Text that is already coded; a negative code is an empty cell."""
    return TextColumn(list(dictionary), nullable(codes.astype(np.int64), codes < 0))


def figure_column(name: str, values: NDArray[np.float64]) -> list[Any]:
    """Numbers with None for NaN; what counts something is whole."""
    missing = np.isnan(values)
    if name not in COUNTS or (np.abs(values[~missing]) > LARGEST_COUNT).any():
        return nullable(values, missing)
    return nullable(np.where(missing, 0, values).astype(np.int64), missing)


def nullable(values: NDArray[Any], missing: NDArray[np.bool_]) -> list[Any]:
    """The values as Python numbers, None where missing."""
    cells: list[Any] = values.tolist()
    for at in np.flatnonzero(missing).tolist():
        cells[at] = None
    return cells


def round_columns(page: RoundPage, fields: Sequence[str]) -> dict[str, Column]:
    """The named fields of rounds; `started` is text without a dictionary, as no two are equal."""
    return {name: [getattr(row, name) for row in page.rounds] for name in fields}


ROUND_FIELDS = RoundRow.__struct_fields__
