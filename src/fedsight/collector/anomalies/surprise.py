"""How unlikely a distance is, by the distances seen before: -log10 of a tail probability.

Ranks answer as long as there are some to compare with (conformal anomaly detection: Laxhammar,
Falkman 2011); beyond a high quantile an exponential tail is fitted to the excesses, so that what
was never seen before is told apart by how far it goes (peaks over threshold, as SPOT does, with the
shape parameter at 0: Siffer et al. 2017, "Anomaly detection in streams with extreme value theory").
So a surprise of 3 is one in a thousand on any series, and never saturates.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right

from fedsight.collector.anomalies.memory import Memory

#: The quantile beyond which the tail is fitted, and its surprise.
QUANTILE = 0.98
_AT_QUANTILE = -math.log10(1 - QUANTILE)
_LN_10 = math.log(10)
#: An exponential tail is a guess from here on.
FEWEST_EXCESSES = 4
#: Surprises beyond half of this grow ever more slowly towards it and never reach it: an exponential
#: tail says little of how rare a thing is that lies far outside it, but which of two lies further.
MOST = 30.0


class Surprise:
    """Turns distances into surprises, each compared with up to `most` before it."""

    def __init__(self, most: int) -> None:
        self._seen = Memory(most)

    def of(self, distance: float) -> float:
        """The surprise of `distance`, which is then remembered; 0 where nothing came before."""
        found = self._of(distance) if len(self._seen) else 0.0
        self._seen.add(distance)
        return found

    def _of(self, distance: float) -> float:
        ordered = self._seen.ordered
        high = self._seen.share(QUANTILE)
        if distance > high:
            beyond = bisect_right(ordered, high)
            excesses = len(ordered) - beyond
            if excesses >= FEWEST_EXCESSES:
                mean = sum(ordered[beyond:]) / excesses - high
                return _bent(_AT_QUANTILE + (distance - high) / mean / _LN_10) if mean else MOST
        at_least = len(ordered) - bisect_left(ordered, distance)
        return math.log10((len(ordered) + 1) / (at_least + 1))


def _bent(surprise: float) -> float:
    half = MOST / 2
    return surprise if surprise <= half else MOST - half * half / surprise
