"""What the watch is given of a commit: the points of one series, in order; and a few events."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fedsight.collector.store.prepare import SampleBlock
from fedsight.signals import Series, series_key


@dataclass(frozen=True, slots=True)
class Piece:
    """One point or more of a series, as they came: Unix nanoseconds, values, rounds (-1: none)."""

    series: Series
    key: str
    time: list[int]
    value: list[float]
    round: list[int]

    def __len__(self) -> int:
        return len(self.time)


def pieces(
    block: SampleBlock, names: Container[str], most: int, latest: int
) -> tuple[list[Piece], int]:
    """The points of a block's series with these names up to the time `latest` (ns); and how many
    of them, later or beyond `most`, are left out."""
    wanted = np.array([series.name in names for series in block.series], bool)
    chosen = np.flatnonzero(wanted[block.index])
    rows = chosen[block.time[chosen] <= latest][:most]
    left_out = int(chosen.size - rows.size)
    rows = rows[np.argsort(block.index[rows], kind="stable")]
    parts = np.split(rows, np.flatnonzero(np.diff(block.index[rows])) + 1) if rows.size else []
    return [_piece(block, part) for part in parts], left_out


def _piece(block: SampleBlock, rows: NDArray[np.intp]) -> Piece:
    series = block.series[int(block.index[rows[0]])]
    return Piece(
        series,
        series_key(series.name, series.labels),
        block.time[rows].tolist(),
        block.value[rows].tolist(),
        block.round[rows].tolist(),
    )
