"""What the bridge itself has to say of what comes: events, each kind of a sender seldom."""

from __future__ import annotations

import logging
from collections import Counter, OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass

from fedsight.signals import Event, Json
from fedsight.telemetry.bridge.metrics import Reading, UnitChange
from fedsight.telemetry.bridge.senders import Pair
from fedsight.telemetry.bridge.series import LONGEST_TEXT

logger = logging.getLogger(__name__)

SOURCE = "bridge"
UNIT_CHANGED = "UNIT_CHANGED"
CLOCKS_DISAGREE = "CLOCKS_DISAGREE"
TWO_AGENTS = "TWO_AGENTS"
#: Nanoseconds for which the same of one sender is not said again, and senders remembered.
QUIET_NS = 60 * 10**9
REMEMBERED = 4096
#: Metrics that a line of the log names.
SHOWN = 5
LONGEST_SHOWN = 80


@dataclass(frozen=True)
class Clocks:
    """How far a sender's times may be from ours before that is told, nanoseconds."""

    ahead: int = 300 * 10**9
    behind: int = 7200 * 10**9


@dataclass(frozen=True)
class Skew:
    """Samples that are so far off: how many each way, and the one that is farthest."""

    ahead: int
    behind: int
    node: str | None
    service: str | None
    seconds: float


def skew_of(reading: Reading, now: int, clocks: Clocks) -> Skew | None:
    """How a request's times lie to `now`; None where all are near enough."""
    if reading.times is None:
        return None
    first, last = reading.times
    if last <= now + clocks.ahead and first >= now - clocks.behind:
        return None
    samples = reading.samples
    times = samples.time
    ahead = sum(time > now + clocks.ahead for time in times)
    behind = sum(time < now - clocks.behind for time in times)
    far = max(range(len(times)), key=lambda at: abs(times[at] - now))
    labels = samples.series[samples.index[far]].labels
    seconds = round((times[far] - now) / 1e9, 3)
    return Skew(ahead, behind, labels.get("node"), labels.get("service"), seconds)


class Notices:
    """Makes events, and says the same of one sender once a minute. For one thread."""

    def __init__(self) -> None:
        self._said: OrderedDict[tuple[str, ...], int] = OrderedDict()
        self._unmatched: Counter[str] = Counter()
        self._told = 0

    def unmatched(self, points: Mapping[str, int], now: int) -> None:
        """Points by metric that no window's rule wants: a few are named in the log."""
        for whole, count in points.items():
            name = whole[:LONGEST_SHOWN]
            if name in self._unmatched or len(self._unmatched) < REMEMBERED:
                self._unmatched[name] += count
        if self._unmatched and not 0 <= now - self._told < QUIET_NS:
            named = ", ".join(name for name, _ in self._unmatched.most_common(SHOWN))
            count = self._unmatched.total()
            text = "%d points of %d metrics that no window's rule wants, such as %s"
            logger.info(text, count, len(self._unmatched), named)
            self._unmatched.clear()
            self._told = now

    def unit(self, change: UnitChange, now: int) -> Event | None:
        """A metric of a sender that had another unit before."""
        labels = change.origin.labels
        details: dict[str, Json] = {
            "metric": change.name[:LONGEST_TEXT],
            "before": change.before[:LONGEST_TEXT],
            "after": change.after[:LONGEST_TEXT],
            "service": labels.get("service"),
        }
        key = (UNIT_CHANGED, str(labels), change.name[:LONGEST_TEXT])
        return self._event(key, UNIT_CHANGED, labels.get("node"), details, now)

    def skew(self, skew: Skew, now: int) -> Event | None:
        """A sender whose clock disagrees with ours, or that brings what is old."""
        details: dict[str, Json] = {
            "seconds": skew.seconds,
            "samples": skew.ahead + skew.behind,
            "service": skew.service,
        }
        key = (CLOCKS_DISAGREE, skew.node or "", skew.service or "")
        return self._event(key, CLOCKS_DISAGREE, skew.node, details, now)

    def two_agents(self, pair: Pair, now: int) -> Event | None:
        """Two agents that send as one node."""
        details: dict[str, Json] = {
            "message": str(pair),
            "service": pair.service,
            "agents": [agent[:LONGEST_TEXT] for agent in pair.agents],
        }
        return self._event(
            (TWO_AGENTS, pair.node, pair.service), TWO_AGENTS, pair.node, details, now
        )

    def _event(
        self, key: tuple[str, ...], kind: str, node: str | None, details: dict[str, Json], now: int
    ) -> Event | None:
        said = self._said.get(key)
        if said is not None and 0 <= now - said < QUIET_NS:
            return None
        self._said[key] = now
        self._said.move_to_end(key)
        if len(self._said) > REMEMBERED:
            self._said.popitem(last=False)
        logger.warning("%s of node %s: %s", kind, node, details)
        return Event(now, SOURCE, kind, node=node, details=details)
