"""How long to wait after failures. Pure."""

from __future__ import annotations

import math

#: 2^16 of any first wait are longer than any bound.
MOST_DOUBLINGS = 16


def pause(first: float, longest: float, failures: int, chance: float) -> float:
    """Seconds to wait after `failures` in a row, at least one.

    `first` doubled as often, up to `longest`; of that at least half is waited and the rest by
    `chance` (0 to 1), so that many who lost one bridge do not come back at once ("equal jitter",
    M. Brooker, Exponential backoff and jitter, 2015).
    """
    bound = min(max(first, longest), math.ldexp(first, min(failures - 1, MOST_DOUBLINGS)))
    return bound / 2 + chance * bound / 2
