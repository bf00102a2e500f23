"""A consumer that checks what a window hands out, and tells what is new in it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from fedsight.telemetry.windows.contract import is_column
from fedsight.telemetry.windows.frames import INDEX, Gap, gaps


class Heard(NamedTuple):
    """What one look at a window brought: new rows, slots missing before them, what is wrong."""

    rows: pd.DataFrame
    gaps: list[Gap]
    late: int
    wrong: list[str]


class Follower:
    """Follows one window. Gaps and rows are told once; a row that fills a gap is late."""

    def __init__(self, interval_ns: int) -> None:
        self._interval = interval_ns
        self._seen: pd.DataFrame | None = None

    def look(self, df: pd.DataFrame) -> Heard:
        """Compare a window with the one seen before."""
        wrong = faults(df, self._interval)
        if wrong:
            return Heard(df.iloc[:0], [], 0, wrong)
        seen, self._seen = self._seen, df
        if seen is None or seen.empty:
            return Heard(df, gaps(df, self._interval), 0, [])
        last = int(seen.index[-1])
        new = df[~df.index.isin(seen.index)]
        late = int((new.index.to_numpy() < last).sum())
        found = [gap for gap in gaps(df, self._interval) if gap.start > last]
        return Heard(new, found, late, changes(seen, df))


def faults(df: pd.DataFrame, interval_ns: int) -> list[str]:
    """What keeps a frame from being a window, in words; nothing where it is one."""
    found = []
    times = df.index.to_numpy()
    if df.index.name != INDEX or times.dtype != np.int64:
        return [f"the index is {df.index.name!r} of {times.dtype}, not int64 {INDEX!r}"]
    steps = np.diff(times)
    if (steps < 0).any():
        found.append("times are not ascending")
    if not df.index.is_unique:
        found.append("a time is there twice")
    if (steps % interval_ns != 0).any():
        found.append(f"rows are not on slots of {interval_ns / 1e9:g} s")
    if any(each != np.float64 for each in df.dtypes):
        found.append("a column is not of float64")
    elif np.isinf(df.to_numpy()).any():
        found.append("a value is not finite")
    found += [f"a column is called {str(name)[:80]!r}" for name in df if not is_column(str(name))]
    return found


def changes(before: pd.DataFrame, after: pd.DataFrame) -> list[str]:
    """Values that were seen and are others now: a value, once there, stays."""
    times, names = (
        before.index.intersection(after.index),
        before.columns.intersection(after.columns),
    )
    old, new = before.loc[times, names].to_numpy(), after.loc[times, names].to_numpy()
    changed = int((~np.isnan(old) & (old != new)).sum())
    return [f"{changed} values changed after they were read"] if changed else []
