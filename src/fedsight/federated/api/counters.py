"""What the server has counted since it started, over all its runs."""

from __future__ import annotations

from fedsight.door.exposition import Histogram
from fedsight.federated.api.history import RoundFacts

#: From a simulated toy to a round of big models over slow links, in seconds.
ROUND_BOUNDS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0)


class Counters:
    """Rounds that ended well or not, and how long they took. One thread counts, any may read."""

    def __init__(self) -> None:
        self.completed = 0
        self.failed = 0
        self.seconds = Histogram(ROUND_BOUNDS)

    def count(self, found: RoundFacts) -> None:
        """One more round is over."""
        if found.ok:
            self.completed += 1
        else:
            self.failed += 1
        if found.seconds is not None:
            self.seconds.observe(found.seconds)
