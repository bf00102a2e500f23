"""What a node's windows are centred on where nothing was kept of it: chosen by its own rows.

A node that tuned a model chose its levels on its validation part (`Scale.levelled`). One that came
later, or keeps no model, has the rows of its window, and needs no training to compare levels there.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from fedsight.forecast.model import ModelShape
from fedsight.forecast.scale import Scale
from fedsight.forecast.sequences import origins
from fedsight.forecast.service.predictor import Known

Levels = NDArray[np.int64]

#: Forecasts within a window that anything is chosen by, at the least: neighbours are much alike.
LEAST_ORIGINS = 60
#: What a window says is chosen anew after so many rows.
AGAIN_ROWS = 100


@dataclass(frozen=True)
class _Chosen:
    level: Levels
    last: int


class Levelling:
    """The levels of every node, for models of one shape."""

    def __init__(self, shape: ModelShape) -> None:
        self._shape = shape
        self._chosen: dict[str, _Chosen] = {}

    def levelled(self, one: Known, scale: Scale) -> Scale:
        """`scale` with the levels that foresaw best from the window's rows; as it is where too few
        of them have the whole horizon after them.

        Levels are forecasts without a network, so that nothing here was trained on these rows.
        """
        chosen, last = self._chosen.get(one.node), int(one.times[-1])
        if chosen is None or not 0 <= last - chosen.last < AGAIN_ROWS * one.step:
            level = self._by_window(one, scale)
            if level is None:
                return scale
            self._chosen[one.node] = chosen = _Chosen(level, last)
        return replace(scale, level=chosen.level)

    def _by_window(self, one: Known, scale: Scale) -> Levels | None:
        whole = np.isfinite(one.values).all(axis=1)
        pieces = np.where(whole, np.cumsum(~whole), -1)
        at = origins(range(len(one.values)), pieces, self._shape)
        if len(at) < LEAST_ORIGINS:
            return None
        return scale.levelled(one.values, at, self._shape.horizon).level
