"""The page of figures, looked at again once what it tells is over two seconds old."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator

from fedsight.door.exposition import Family, text
from fedsight.telemetry.exporter import host, power, processes
from fedsight.telemetry.exporter.load_model import LoadModel, Watts
from fedsight.telemetry.exporter.options import ExporterOptions
from fedsight.telemetry.exporter.power import HOST, PowerSource
from fedsight.telemetry.exporter.processes import Processes
from fedsight.telemetry.exporter.rapl import Rapl, RaplError

logger = logging.getLogger(__name__)

#: Scaphandre's: https://github.com/hubblo-org/scaphandre, its Prometheus exporter.
FRESH_SECONDS = 2.0

Clock = Callable[[], float]


class Page:
    """This machine's figures as Prometheus' text. Any thread may ask."""

    def __init__(self, options: ExporterOptions, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        now = clock()
        self._source = source_of(options, now)
        self._processes = Processes(options.processes, names=options.process_names, now=now)
        self._looking = threading.Lock()
        self._text = ""
        self._looked: float | None = None

    @property
    def value_source(self) -> str | None:
        """Where power comes from; None where it is not told at all."""
        return None if self._source is None else self._source.value_source

    def text(self) -> str:
        """The figures, none of them over two seconds old."""
        with self._looking:
            now = self._clock()
            if self._looked is None or now - self._looked > FRESH_SECONDS:
                self._text = text(self._look(now))
                self._looked = now
            return self._text

    def keep_up(self) -> None:
        """Read counters that go round, so that no round is missed while nobody asks."""
        with self._looking:
            if self._source is not None:
                self._source.keep_up(self._clock())

    def _look(self, now: float) -> Iterator[Family]:
        found = self._source.look(now) if self._source else []
        value_source = self.value_source or ""
        yield from power.families(found, value_source)
        yield from host.families()
        whole = next((each.microwatts for each in found if each.part == HOST), None)
        yield from processes.families(self._processes.look(now), whole, value_source)


def source_of(options: ExporterOptions, now: float) -> PowerSource | None:
    """Where power comes from, as the settings say; raises RaplError where it must be RAPL and
    cannot be."""
    if options.power == "none":
        return None
    if options.power in ("auto", "rapl"):
        try:
            return Rapl(options.powercap, now)
        except RaplError as error:
            if options.power == "rapl":
                raise
            logger.warning(
                "%s; power is modelled from the load, between %g and %g W",
                error,
                options.idle_watts,
                options.tdp_watts,
            )
    return LoadModel(Watts(options.idle_watts, options.tdp_watts), now)
