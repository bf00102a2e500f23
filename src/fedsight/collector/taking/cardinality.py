"""How many series there may be: a label that is different every time makes one for each sample.

A store of series answers slower the more it has, and nothing that comes later undoes them. So a
producer that explodes is refused, by name, while all others go on.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Sequence

from fedsight.door.refusal import RefusedError, too_many
from fedsight.signals import Series

MINUTE = 60.0
#: Characters of a label's value that a refusal shows.
SHOWN = 40


class Cardinality:
    """Lets new series in: at most `most` in all, and `a_minute` new ones after a burst of as many.

    For one thread. Raises ValueError for a bound below 1.
    """

    def __init__(
        self, most: int, a_minute: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        if most < 1 or a_minute < 1:
            raise ValueError(f"bounds must be at least 1, got {most} and {a_minute}")
        self.most = most
        self.a_minute = a_minute
        self._clock = clock
        self._left = float(a_minute)
        self._since = clock()

    def admit(self, held: int, new: Sequence[Series]) -> None:
        """Let `new` series join the `held` ones, or raise RefusedError (429, or 422 where waiting
        cannot help) that names the label with the most values among them."""
        count = len(new)
        if held + count > self.most:
            message = (
                f"there may be {self.most} series in all and {held} are kept: {explained(new)}"
            )
            raise RefusedError(429, "too_many_series", message, headers={"Retry-After": "60"})
        if count > self.a_minute:
            message = f"{count} new series at once, of {self.a_minute} a minute: {explained(new)}"
            raise RefusedError(422, "too_many_series", message)
        now = self._clock()
        rate = self.a_minute / MINUTE
        self._left = min(self.a_minute, self._left + max(0.0, now - self._since) * rate)
        self._since = now
        if count > self._left:
            wait = (count - self._left) / rate
            raise too_many(f"more than {self.a_minute} new series a minute: {explained(new)}", wait)
        self._left -= count


def explained(new: Sequence[Series]) -> str:
    """Which label has the most values among these series."""
    values: defaultdict[str, set[str]] = defaultdict(set)
    for series in new:
        values["the name"].add(series.name)
        for label, value in series.labels.items():
            values[f"label {label!r}"].add(value)
    worst = max(values, key=lambda label: len(values[label]))
    example = min(values[worst])[:SHOWN]
    return (
        f"{worst} has {len(values[worst])} values among {len(new)} new ones, such as {example!r};"
        " what differs each time belongs in an event or in the round, not in a label"
    )
