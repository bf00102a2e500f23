"""How fast a run still learns: the slope of its recent accuracy. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence

#: So many of the newest rounds make the slope.
RECENT = 10
#: Two points make a line, and no trend.
FEWEST = 3


def convergence_slope(rounds: Sequence[tuple[int, float]]) -> float | None:
    """Accuracy gained a round: the least-squares slope over the newest RECENT (round, accuracy).

    None for fewer than FEWEST distinct rounds. https://en.wikipedia.org/wiki/Simple_linear_regression
    """
    newest = dict(sorted(dict(rounds).items())[-RECENT:])
    if len(newest) < FEWEST:
        return None
    middle = sum(newest) / len(newest)
    mean = sum(newest.values()) / len(newest)
    spread = sum((at - middle) ** 2 for at in newest)
    slope = sum((at - middle) * (value - mean) for at, value in newest.items()) / spread
    return slope if math.isfinite(slope) else None
