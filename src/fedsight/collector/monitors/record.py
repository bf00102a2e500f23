"""What is known of each monitor's own doings, and of the service that it watches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from msgspec import Struct

from fedsight.collector.monitors.contract import AwayError, ForeignAnswerError, Monitor, Pace
from fedsight.signals import Event

Standing = Literal["waiting", "unknown", "healthy", "failing"]
SOURCE = "collector"


@dataclass
class MonitorRecord:
    """Counts and times of one monitor. Times are Unix nanoseconds.

    `reached`: when the service answered last; None where it never did. `told`: what is wrong with
    it as the last event says; None where that it is there.
    """

    monitor: Monitor
    pace: Pace
    cycles: int = 0
    successes: int = 0
    failures: int = 0
    in_a_row: int = 0
    seconds: float = 0.0
    last_seconds: float | None = None
    last_run: int | None = None
    last_error: str | None = None
    reached: int | None = None
    next_run: int | None = None
    samples: int = 0
    events: int = 0
    state: Struct | None = None
    told: tuple[str, str] | None = None

    @property
    def standing(self) -> Standing:
        """`unknown` is a service that nobody ever reached: that is no fault."""
        if self.cycles == 0:
            return "waiting"
        if self.last_error is None:
            return "healthy"
        return "unknown" if self.reached is None else "failing"

    def good_news(self, now: int) -> Event | None:
        """What it means for the service that a look went well, where it is news."""
        if not self.monitor.address:
            return None
        if self.reached is None:
            return self._event("SERVICE_REACHED", now, {"address": self.monitor.address})
        if self.told is not None:
            return self._event("SERVICE_RETURNED", now, {"seconds": (now - self.reached) / 1e9})
        return None

    def succeeded(self, now: int) -> None:
        """Note a look that went well."""
        self.successes += 1
        self.in_a_row = 0
        self.last_error = self.told = None
        self.reached = now

    def failed(self, error: Exception, now: int) -> Event | None:
        """Note a look that failed; an event where this is news of a service that was there. What
        fails on our side, such as a full disk, is none."""
        said = str(error) or type(error).__name__
        self.failures += 1
        self.in_a_row += 1
        self.last_error = said
        if self.reached is None or not self.monitor.address or not expected(error):
            return None
        lost = isinstance(error, AwayError)
        news = ("SERVICE_LOST", "") if lost else ("SERVICE_ERROR", said)
        if news == self.told:
            return None
        self.told = news
        return self._event(news[0], now, {"message": said})

    def _event(self, kind: str, now: int, details: dict[str, object]) -> Event:
        return Event(now, SOURCE, kind, details={"service": self.monitor.name, **details})


def expected(error: Exception) -> bool:
    """Whether a failure is of the watched service's making, and no fault of our own."""
    return isinstance(error, AwayError | ForeignAnswerError | TimeoutError)
