"""Power where nothing measures it: a straight line over the processors' load.

That is a model and no measurement, and every value of it says so. The line from idle to full load
is the usual first one (X. Fan, W.-D. Weber, L. A. Barroso, Power provisioning for a warehouse-sized
computer, ISCA 2007, 4.2).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from fedsight.telemetry.exporter.power import HOST, LEAST_SECONDS, Power

MICRO = 1e6


class Processors(Protocol):
    """Where the processors' time goes."""

    def times(self) -> tuple[float, float]:
        """Seconds since the start of the machine, over all processors: in all, and idle."""


class PsutilProcessors:
    """This machine's, by psutil."""

    def times(self) -> tuple[float, float]:
        """As `Processors.times`."""
        import psutil

        found = psutil.cpu_times()
        # Guests' time is part of user time already.
        total = sum(found) - getattr(found, "guest", 0.0) - getattr(found, "guest_nice", 0.0)
        return total, found.idle + getattr(found, "iowait", 0.0)


@dataclass(frozen=True)
class Watts:
    """The two ends of the line (W)."""

    idle: float
    full: float

    def microwatts(self, load: float) -> float:
        """The power at a load between 0 and 1."""
        return (self.idle + (self.full - self.idle) * load) * MICRO


class LoadModel:
    """Modelled power of the host alone: of its sockets and domains nothing is known."""

    value_source = "model_cpu_load"

    def __init__(self, watts: Watts, now: float, processors: Processors | None = None) -> None:
        self._watts = watts
        self._processors = processors or PsutilProcessors()
        self._before = (now, *self._processors.times())
        self._microjoules = 0.0

    def keep_up(self, now: float) -> None:
        """Nothing goes round here."""

    def look(self, now: float) -> list[Power]:
        """As `PowerSource.look`; energy is counted from the start of this process."""
        since, total, idle = self._before
        total_now, idle_now = self._processors.times()
        if now - since < LEAST_SECONDS or total_now <= total:
            return [Power(HOST, self._microjoules, None)]
        load = 1 - (idle_now - idle) / (total_now - total)
        power = self._watts.microwatts(min(1.0, max(0.0, load)))
        self._microjoules += power * (now - since)
        self._before = (now, total_now, idle_now)
        return [Power(HOST, self._microjoules, power)]
