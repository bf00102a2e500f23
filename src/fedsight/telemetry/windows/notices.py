"""What is wrong with what comes into windows, said in the log: at once, then rarely."""

from __future__ import annotations

import logging
import time
from collections import OrderedDict
from collections.abc import Callable

log = logging.getLogger(__name__)

#: Seconds in which the same is not said again of the same node.
QUIET_SECONDS = 600.0
#: Things that are remembered as said.
MOST = 4096


class Notices:
    """Says each kind of thing about each node once in ten minutes. Threads may share it."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._said: OrderedDict[tuple[str, str], float] = OrderedDict()

    def tell(self, about: str, kind: str, text: str, *values: object) -> bool:
        """Log a warning, `text % values`, unless it was said lately. Whether it was logged."""
        now = self._clock()
        said = self._said.get((about, kind))
        if said is not None and now - said < QUIET_SECONDS:
            return False
        self._said[about, kind] = now
        self._said.move_to_end((about, kind))
        while len(self._said) > MOST:
            self._said.popitem(last=False)
        log.warning(text, *values)
        return True
