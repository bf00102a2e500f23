"""How long to wait before the next look: the interval, and longer after failures. Pure."""

from __future__ import annotations

import math

from fedsight.collector.monitors.contract import Pace

#: 2^16 intervals are longer than any bound.
MOST_DOUBLINGS = 16


def pause(pace: Pace, failures: int, chance: float) -> float:
    """Seconds from the beginning of one look to that of the next.

    After `failures` in a row the interval doubles as often, up to `pace.longest`; of that at least
    half is waited and the rest by `chance` (0 to 1), so that many who lost the same service do not
    come back at once ("equal jitter", M. Brooker, Exponential backoff and jitter, 2015).
    """
    if failures <= 0:
        return pace.interval
    longest = max(pace.longest, pace.interval)
    bound = min(longest, math.ldexp(pace.interval, min(failures, MOST_DOUBLINGS)))
    return bound / 2 + chance * bound / 2
