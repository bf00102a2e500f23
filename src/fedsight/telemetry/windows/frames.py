"""Windows as DataFrames, and as the plain arrays beneath them."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fedsight.telemetry.windows.contract import MAX_COLUMNS, WindowError, is_column

Times = NDArray[np.int64]
Values = NDArray[np.float64]

INDEX = "time"
#: Rows that `with_gaps` makes at most: four for each of the largest window.
MOST_SLOTS = 4_000_000
#: As signals.Nanoseconds: between 1970 and 2200.
LAST_TIME = 7_258_118_400_000_000_000


class Rows(NamedTuple):
    """Rows as arrays: `times` (rows,), `values` (rows, columns), NaN where nothing was measured."""

    times: Times
    columns: tuple[str, ...]
    values: Values


class Gap(NamedTuple):
    """Slots that nothing came for: `missing` of them from `start` to `end`, both included."""

    start: int
    end: int
    missing: int


def frame(rows: Rows) -> pd.DataFrame:
    """Rows as a window: columns without a single value are left out."""
    kept = np.flatnonzero((~np.isnan(rows.values)).any(axis=0))
    names = pd.Index([rows.columns[at] for at in kept], dtype=object)
    index = pd.Index(rows.times, name=INDEX, dtype="int64")
    return pd.DataFrame(rows.values[:, kept], index=index, columns=names)


def empty() -> pd.DataFrame:
    """A window without rows."""
    return frame(Rows(np.empty(0, np.int64), (), np.empty((0, 0))))


def rows_of(df: pd.DataFrame) -> Rows:
    """The arrays of a frame, in its own order.

    Raises WindowError where index, columns or values are not a window's.
    """
    columns = tuple(str(name) for name in df.columns)
    _check_columns(columns)
    if not pd.api.types.is_integer_dtype(df.index.dtype):
        raise WindowError(f"a window's index must be whole Unix nanoseconds, got {df.index.dtype}")
    times = df.index.to_numpy(dtype=np.int64)
    if times.size and not (times.min() >= 0 and times.max() <= LAST_TIME):
        raise WindowError("a window's times must lie between 1970 and 2200, in Unix nanoseconds")
    return Rows(times, columns, _values(df))


@lru_cache(1024)
def _check_columns(columns: tuple[str, ...]) -> None:
    if len(columns) > MAX_COLUMNS:
        raise WindowError(f"a window must have at most {MAX_COLUMNS} columns, got {len(columns)}")
    if len(set(columns)) < len(columns):
        raise WindowError("a window's columns must have different names")
    wrong = next((name for name in columns if not is_column(name)), None)
    if wrong is not None:
        raise WindowError(
            f"a window's column must be called CONFIGURATION.METRIC, got {wrong[:80]!r}"
        )


def _values(df: pd.DataFrame) -> Values:
    try:
        values = df.to_numpy(dtype=np.float64, na_value=np.nan)
    except (TypeError, ValueError) as error:
        raise WindowError(f"a window's values must be numbers: {error}") from error
    if np.isinf(values).any():
        raise WindowError("a window's values must be finite, or NaN where nothing was measured")
    return values


def gaps(df: pd.DataFrame, interval_ns: int) -> list[Gap]:
    """The slots between a window's first row and its last that have no row."""
    times = df.index.to_numpy(dtype=np.int64)
    steps = np.diff(times) // interval_ns
    return [
        Gap(int(times[at]) + interval_ns, int(times[at + 1]) - interval_ns, int(steps[at]) - 1)
        for at in np.flatnonzero(steps > 1)
    ]


def with_gaps(df: pd.DataFrame, interval_ns: int) -> pd.DataFrame:
    """The window with a row of NaN in each slot that has none: rows at equal steps.

    Raises WindowError where its ends lie too far apart: one row of a clock that was years behind
    must not become millions.
    """
    if len(df) < 2:
        return df
    times = df.index.to_numpy(dtype=np.int64)
    count = int(times[-1] - times[0]) // interval_ns + 1
    if count > MOST_SLOTS:
        raise WindowError(
            f"the window reaches over {count} slots, of which at most {MOST_SLOTS} are filled with"
            " gaps; leave out what lies before its last long gap"
        )
    slots = np.arange(times[0], times[-1] + 1, interval_ns, dtype=np.int64)
    return df.reindex(pd.Index(slots, name=INDEX))
