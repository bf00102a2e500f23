"""Which slot a row goes to, and what stays where two want the same one.

Slots lie one scrape interval apart, from the first row that a node ever sent: so a scrape that
comes half an interval early or late still finds its own slot, whatever moment of the interval the
agent chose. A row goes to the nearest slot, one exactly between two to the later. All rows of one
slot are one row. A value, once there, stays: what a consumer has seen never changes, and rows sent
twice change nothing.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fedsight.telemetry.windows.contract import (
    INTERVAL_NS,
    MAX_COLUMNS,
    MAX_ROWS,
    Added,
)
from fedsight.telemetry.windows.frames import Rows, Times, Values

#: How far ahead of our clock a row may be.
AHEAD_NS = 60_000_000_000


class Extent(NamedTuple):
    """How much a window holds. Raises ValueError where `checked` finds nonsense."""

    max_rows: int = MAX_ROWS
    interval_ns: int = INTERVAL_NS

    def checked(self) -> Extent:
        """Itself."""
        if self.max_rows < 1:
            raise ValueError(f"max_rows must be at least 1, got {self.max_rows}")
        if self.interval_ns < 1:
            raise ValueError(f"interval_ns must be at least 1, got {self.interval_ns}")
        return self


class Kept(NamedTuple):
    """A whole window as arrays; `phase` is where in the interval its slots lie, None before any."""

    rows: Rows
    phase: int | None


NOTHING = Kept(Rows(np.empty(0, np.int64), (), np.empty((0, 0))), None)


def timely(rows: Rows, now: int) -> tuple[Rows, int]:
    """The rows that measured anything, and how many more are from too far in the future."""
    measured = ~np.isnan(rows.values).all(axis=1)
    ahead = measured & (rows.times > now + AHEAD_NS)
    keep = measured & ~ahead
    return Rows(rows.times[keep], rows.columns, rows.values[keep]), int(ahead.sum())


def phase_of(rows: Rows, interval_ns: int) -> int:
    """Where in the interval the slots of a window lie that begins with these rows."""
    return int(rows.times.min()) % interval_ns


def placed(rows: Rows, phase: int, interval_ns: int) -> tuple[Times, Values, int]:
    """Slots (ascending, unique), their values, and how many values were one too many."""
    steps = (rows.times - phase + interval_ns // 2) // interval_ns
    slots = steps * interval_ns + phase
    order = np.lexsort((rows.times, slots))
    slots, values = slots[order], rows.values[order]
    if (np.diff(slots) > 0).all():
        return slots, values, 0
    unique, which = np.unique(slots, return_inverse=True)
    first = pd.DataFrame(values).groupby(which).first().to_numpy(dtype=np.float64)
    conflicting = ~np.isnan(values) & (values != first[which])
    return unique, first, int(conflicting.sum())


def filled(old: Values, new: Values) -> tuple[Values, NDArray[np.bool_], int]:
    """Old values with new ones where there was none; which rows changed; values not taken."""
    there, comes = ~np.isnan(old), ~np.isnan(new)
    conflicting = there & comes & (old != new)
    changed: NDArray[np.bool_] = np.any(comes & ~there, axis=1).astype(np.bool_)
    return np.where(there, old, new), changed, int(conflicting.sum())


def widened(values: Values, columns: tuple[str, ...], to: tuple[str, ...]) -> Values:
    """Values of `columns` under the columns `to`, NaN where there are none."""
    if columns == to:
        return values
    at = {name: number for number, name in enumerate(to)}
    wide = np.full((len(values), len(to)), np.nan)
    wide[:, [at[name] for name in columns]] = values
    return wide


def fitting(
    columns: tuple[str, ...], new: tuple[str, ...]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Which new columns a window has room for beside these, and which it has not.

    Labels that change all the time, such as a process's number, must not keep out the rest.
    """
    room = MAX_COLUMNS - len(columns)
    return new[:room], new[room:]


def measured_columns(rows: Rows) -> tuple[str, ...]:
    """The columns that hold a value."""
    has = np.flatnonzero((~np.isnan(rows.values)).any(axis=0))
    return tuple(rows.columns[at] for at in has)


def merged(kept: Kept, rows: Rows, extent: Extent, now: int) -> tuple[Kept, Added]:
    """A window and rows that come to it, as the window that follows."""
    rows, ahead = timely(rows, now)
    if not len(rows.times):
        return kept, Added(ahead=ahead)
    interval, old = extent.interval_ns, kept.rows
    phase = phase_of(rows, interval) if kept.phase is None else kept.phase
    slots, values, doubled = placed(rows, phase, interval)
    new = tuple(name for name in measured_columns(rows) if name not in old.columns)
    new, left_out = fitting(old.columns, new)
    columns = old.columns + new
    times = np.union1d(old.times, slots)
    before = np.full((len(times), len(columns)), np.nan)
    before[np.searchsorted(times, old.times)] = widened(old.values, old.columns, columns)
    incoming = np.full_like(before, np.nan)
    names = [name for name in rows.columns if name in columns]
    picked = values[:, [rows.columns.index(name) for name in names]]
    incoming[np.searchsorted(times, slots)] = widened(picked, tuple(names), columns)
    after, changed, conflicting = filled(before, incoming)
    late = int(changed[: -extent.max_rows].sum())
    kept_rows = Rows(times[-extent.max_rows :], columns, after[-extent.max_rows :])
    left = measured_columns(kept_rows)
    at = [columns.index(name) for name in left]
    trimmed = Rows(kept_rows.times, left, kept_rows.values[:, at])
    added = Added(int(changed.sum()) - late, doubled + conflicting, late, ahead, new, left_out)
    return Kept(trimmed, phase), added
