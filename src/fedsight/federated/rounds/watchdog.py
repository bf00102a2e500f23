"""The watchdog: says when a run has stood still for much longer than it usually takes."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from fedsight.errors import FedsightError
from fedsight.federated.rounds.control import Activity, Progressing

logger = logging.getLogger(__name__)

#: How many times its usual time an activity may stand still.
FACTOR = 3.0
#: Nothing shorter is called a stall, however quick rounds usually are.
LEAST_SECONDS = 5.0
#: What an activity may take before its usual time is known.
FIRST_SECONDS = 120.0
LOOK_SECONDS = 0.5

#: What can stand still; a wait for nodes and a pause say themselves what they wait for.
WATCHED: frozenset[Activity] = frozenset({"training", "aggregating", "evaluating"})


@dataclass(frozen=True)
class Stall:
    """For how long nothing has happened, in which activity, and which nodes are waited for."""

    activity: Activity
    seconds: float
    usual: float | None
    nodes: tuple[str, ...]

    def __str__(self) -> str:
        usual = "" if self.usual is None else f", it usually takes {self.usual:.2g} s"
        nodes = f"; waiting for {listed(self.nodes)}" if self.nodes else ""
        return f"no progress in {self.activity} for {self.seconds:.0f} s{usual}{nodes}"


def stall(
    activity: Activity,
    still: float,
    usual: float | None,
    nodes: tuple[str, ...],
    least: float = LEAST_SECONDS,
) -> Stall | None:
    """The stall that `still` seconds without progress are, None where that is not yet unusual."""
    limit = FIRST_SECONDS if usual is None else max(least, FACTOR * usual)
    if activity not in WATCHED or still < limit:
        return None
    return Stall(activity, still, usual, nodes)


class Watchdog:
    """A thread that looks at a run's progress until it is closed.

    `on_stall` is told of each stall once, `on_end` when the run goes on again. Both are called
    from the watchdog's thread.
    """

    def __init__(
        self,
        progress: Progressing,
        on_stall: Callable[[Stall], None],
        on_end: Callable[[], None],
        *,
        least: float = LEAST_SECONDS,
        look: float = LOOK_SECONDS,
    ) -> None:
        self._progress = progress
        self._on_stall = on_stall
        self._on_end = on_end
        self._least = least
        self._look = look
        self._done = threading.Event()
        self._told: float | None = None
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)

    def __enter__(self) -> Watchdog:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._done.wait(self._look):
            try:
                self.look()
            except FedsightError as error:  # the run meets a full disk itself; here it is looked on
                logger.warning("a stall was not told: %s", error)

    def look(self) -> None:
        """Look once."""
        now = self._progress.now  # first: an activity that begins in between is not still
        touched = self._progress.touched
        if self._told is not None and touched != self._told:
            self._told = None
            self._progress.stall(None)
            self._on_end()
        if self._told is not None:
            return
        usual = self._progress.usual(now.activity)
        still = time.monotonic() - touched
        found = stall(now.activity, still, usual, now.waiting_for, self._least)
        if found is not None:
            self._told = touched
            self._progress.stall(str(found))
            self._on_stall(found)


def listed(names: tuple[str, ...], most: int = 5) -> str:
    """Some of the names, and how many more there are."""
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")
