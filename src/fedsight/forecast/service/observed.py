"""From a node's window to the rows that a model can go on from, or why there are none yet. Pure."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pandas as pd
from msgspec import Struct

from fedsight.door.times import rfc3339
from fedsight.errors import SeriesError
from fedsight.forecast.derived import chosen
from fedsight.forecast.service.predictor import Known
from fedsight.forecast.service.scoring import Array
from fedsight.telemetry.windows import with_gaps

Standing = Literal["unreadable", "no_metric", "few_rows", "gap", "constant", "silent"]

#: Slots back from the last row that are looked at, besides two for each row.
MOST_SLOTS = 1000
#: A last row that is younger is none of a silent node, however short the horizon: agents send every
#: three minutes.
LEAST_SILENT_NS = 300 * 10**9


class Lacks(Struct, frozen=True):
    """Why nothing is foreseen of a node: `rows` without a gap up to the last one, of `wanted`."""

    standing: Standing
    message: str
    rows: int
    wanted: int


def known(
    node: str, window: pd.DataFrame, metrics: tuple[str, ...], step: int, wanted: int
) -> Known | Lacks:
    """The rows of these metrics at equal steps up to the last whole one, a gap as NaN.

    What lies further back than `MOST_SLOTS` and twice the window's rows is left out: a gap of
    weeks, or one row of a wrong clock, must not become millions of slots.
    """
    try:
        columns = chosen(window, metrics)
    except SeriesError as error:
        return Lacks("no_metric", f"{node}: {error}", 0, wanted)
    whole = columns.dropna()
    if len(whole):
        oldest = int(whole.index[-1]) - (MOST_SLOTS + 2 * len(whole)) * step
        whole = with_gaps(whole[whole.index > oldest], step)
    return Known(node, whole.index.to_numpy(np.int64), whole.to_numpy(float), step)


def lacks(one: Known, wanted: int) -> Lacks | None:
    """What these rows lack for a forecast; None where nothing does."""
    rows = _since_gap(one.values)
    if rows >= wanted:
        return None
    if rows == len(one.values):
        message = f"{one.node} has {rows} rows, a forecast needs {wanted}"
        return Lacks("few_rows", message, rows, wanted)
    message = f"{one.node} has {rows} rows since a gap, a forecast needs {wanted} without one"
    return Lacks("gap", message, rows, wanted)


def silent(one: Known, now: int, horizon: int, wanted: int) -> Lacks | None:
    """Whether the last row lies further back than the horizon reaches, in steps: all that is
    foreseen from it would lie in the past."""
    if not len(one.times) or now - one.times[-1] <= max(horizon * one.step, LEAST_SILENT_NS):
        return None
    message = (
        f"{one.node} sent no whole row since {rfc3339(int(one.times[-1]))}, and a forecast would"
        " lie in the past: see that its exporter and agent run, and that its clock is right"
    )
    return Lacks("silent", message, _since_gap(one.values), wanted)


def _since_gap(values: Array) -> int:
    """Rows after the last one that is not whole."""
    broken = np.flatnonzero(~np.isfinite(values).all(axis=1))
    return len(values) - (int(broken[-1]) + 1 if len(broken) else 0)
