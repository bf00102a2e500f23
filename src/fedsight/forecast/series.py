"""Recorded series: files of rows in time, as frames like those of windows.

A frame has the index `time`, int64 Unix ns ascending and unique, and float64 columns; NaN is "not
measured". What is not there is a gap; nothing is filled in.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fedsight.errors import SeriesError

#: First columns that hold the time: text in ISO 8601 (UTC where it names no zone), or integers.
TEXT_TIME, INTEGER_TIME = "timestamp", ("time_ns", "time")
#: A step beyond this many usual ones is a gap.
GAP_STEPS = 1.5


def read_folder(folder: Path, pattern: str = "*.csv") -> dict[str, pd.DataFrame]:
    """One frame a file, by the file's name without its ending: one node each.

    Raises SeriesError where no file matches, or one cannot be read.
    """
    paths = sorted(path for path in folder.glob(pattern) if path.is_file())
    if not paths:
        raise SeriesError(f"{folder} holds no series {pattern}")
    return {path.stem: read(path) for path in paths}


def read(path: Path) -> pd.DataFrame:
    """The rows of one CSV file: a column of times, and one or several of numbers.

    Rows are put in order; of several rows with one time the first one stays. Raises SeriesError,
    which names the file and what is wrong.
    """
    try:
        table = pd.read_csv(path, encoding="utf-8")
    except (OSError, UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise SeriesError(f"{path} is no readable CSV file: {error}") from error
    named = [name for name in (TEXT_TIME, *INTEGER_TIME) if name in table]
    if not named or len(table.columns) < 2:
        wanted = f"{TEXT_TIME}, {' or '.join(INTEGER_TIME)}"
        raise SeriesError(f"{path} needs a column {wanted}, and one of numbers")
    time = _times(path, table.pop(named[0]))
    try:
        values = table.astype(float)
    except ValueError as error:
        raise SeriesError(f"{path} holds something that is no number: {error}") from error
    values.index = pd.Index(time, name="time")
    ordered = values.sort_index(kind="stable")
    return ordered[~ordered.index.duplicated()].replace([np.inf, -np.inf], np.nan)


def _times(path: Path, column: pd.Series) -> NDArray[np.int64]:
    """Unix ns."""
    try:
        if column.name == TEXT_TIME:
            stamps = pd.DatetimeIndex(pd.to_datetime(column, utc=True, format="ISO8601"))
            return stamps.as_unit("ns").asi8
        return column.to_numpy(np.int64)
    except (ValueError, TypeError, OverflowError) as error:
        raise SeriesError(f"{path} holds a time that cannot be read: {error}") from error


def piece_of(time: NDArray[np.int64], values: NDArray[np.float64]) -> NDArray[np.int64]:
    """Which piece without gaps each row belongs to, shape (n,); -1 where something is missing.

    A gap is a step of more than `GAP_STEPS` usual ones, or a row (n, metrics) with a NaN.
    """
    if len(time) < 2:
        return np.zeros(len(time), np.int64)
    steps = np.diff(time)
    missing = np.asarray(np.isnan(values).any(axis=1), np.int64)
    far = np.asarray(steps > GAP_STEPS * np.median(steps), np.int64)
    number = np.concatenate(([0], np.cumsum(far + missing[:-1])))
    return np.where(missing > 0, -1, number)
