"""How much of the model, and how much of the flat level, each node's forecast has."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from fedsight.forecast import mixture
from fedsight.forecast.model import ModelShape
from fedsight.forecast.scale import Scale, centres
from fedsight.forecast.service.levelling import AGAIN_ROWS, LEAST_ORIGINS, Levels
from fedsight.forecast.service.past import Past
from fedsight.forecast.service.predictor import Known, Loaded
from fedsight.forecast.service.scoring import Array


@dataclass(frozen=True)
class _Chosen:
    share: Array | None
    last: int
    level: Levels


class Mixing:
    """The weights of every node, for one model after another.

    A node that tuned a model for itself chose them on its validation part; any other's are chosen
    by the window, once it holds enough.
    """

    def __init__(self, shape: ModelShape) -> None:
        self._middle = shape.quantiles.index(0.5)
        self._rows = shape.rows
        self._chosen: dict[str, _Chosen] = {}

    def share(
        self, one: Known, loaded: Loaded, scale: Scale, past: Callable[[], Past | None]
    ) -> Array | None:
        """How much of the model to take, (horizon, metrics); None: all, for nothing tells yet."""
        kept = loaded.personal.get(one.node)
        if kept is not None and kept.share is not None:
            return kept.share
        chosen, last = self._chosen.get(one.node), int(one.times[-1])
        level = scale.levels(loaded.shape.rows)
        if (
            chosen is not None
            and 0 <= last - chosen.last < AGAIN_ROWS * one.step
            and np.array_equal(chosen.level, level)
        ):
            return chosen.share
        share = self._by_window(past(), scale)
        if share is None and len(one.values) - loaded.shape.rows < LEAST_ORIGINS:
            return None  # to be looked at again with the next row
        self._chosen[one.node] = _Chosen(share, last, level)
        return share

    def mixed(self, one: Known, values: Array, scale: Scale, share: Array | None) -> Array:
        """The model's values (horizon, metrics, quantiles) mixed with the level of the window that
        it was handed."""
        if share is None:
            return values
        level = centres(one.values[None, -self._rows :], scale.levels(self._rows))[0]
        return mixture.moved(values, self._middle, level, share)

    def mixed_past(self, past: Past, share: Array | None) -> Past:
        """What the mixture would have foreseen."""
        if share is None:
            return past
        fans = mixture.moved(past.fans, self._middle, past.level[:, None], share)
        return Past(fans, past.level, past.came)

    def _by_window(self, past: Past | None, scale: Scale) -> Array | None:
        if past is None or len(past.fans) < LEAST_ORIGINS:
            return None
        middle = past.fans[..., self._middle]
        found = mixture.shares(middle, past.level, past.came, LEAST_ORIGINS)
        return np.where(scale.varies, found, 1.0)
