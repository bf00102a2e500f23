"""The busiest processes of this machine; off unless it is asked for."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from fedsight.door.exposition import Family, Figure
from fedsight.telemetry.exporter.power import LEAST_SECONDS

if TYPE_CHECKING:
    from psutil import Process

MOST_COMMAND = 256


class Id(NamedTuple):
    """Which process: a number is given anew once its process is gone."""

    pid: int
    began: float


@dataclass(frozen=True)
class Share:
    """One process since the last look: its share of all processors' time (0 to 100), its memory."""

    labels: dict[str, str]
    percentage: float
    memory: int
    virtual: int


class Processes:
    """Looks at all processes and tells the `most` busiest. `names`: with program and command
    line, in which people put passwords."""

    def __init__(self, most: int, *, names: bool, now: float) -> None:
        self._most = most
        self._names = names
        self._before = now
        self._seconds = {each: seconds for each, seconds, _ in _running()} if most else {}

    def look(self, now: float) -> list[Share]:
        """The busiest since the last look, the busiest first."""
        elapsed = now - self._before
        if not self._most or elapsed < LEAST_SECONDS:
            return []
        found = list(_running())
        busy = [
            (seconds - self._seconds[each], each.pid, process)
            for each, seconds, process in found
            if each in self._seconds
        ]
        busy.sort(key=lambda one: (-one[0], one[1]))
        self._before = now
        self._seconds = {each: seconds for each, seconds, _ in found}
        capacity = elapsed * (os.cpu_count() or 1)
        shares = (
            self._share(process, 100 * seconds / capacity)
            for seconds, _, process in busy[: self._most]
        )
        return [each for each in shares if each is not None]

    def _share(self, process: Process, percentage: float) -> Share | None:
        import psutil

        try:
            memory = process.memory_info()
            labels = {"pid": str(process.pid), **(self._said(process) if self._names else {})}
        except psutil.Error:
            return None  # it has ended, or is another user's
        return Share(labels, percentage, memory.rss, memory.vms)

    def _said(self, process: Process) -> dict[str, str]:
        command = "".join(process.cmdline())
        return {"exe": process.name(), "cmdline": command[:MOST_COMMAND]}


def families(shares: list[Share], host: float | None, value_source: str) -> Iterator[Family]:
    """Their metrics. Of the host's power (µW) each has its share of the processors' time, as
    Scaphandre does it."""
    name = "scaph_process_{}".format
    yield Family(
        name("cpu_usage_percentage"),
        "gauge",
        "Processors' time of a process, as a percentage of all processors.",
        tuple(Figure(round(each.percentage, 3), each.labels) for each in shares),
    )
    yield Family(
        name("memory_bytes"),
        "gauge",
        "Memory that a process has, in bytes.",
        tuple(Figure(each.memory, each.labels) for each in shares),
    )
    yield Family(
        name("memory_virtual_bytes"),
        "gauge",
        "Virtual memory of a process, in bytes.",
        tuple(Figure(each.virtual, each.labels) for each in shares),
    )
    if host is None:
        return
    yield Family(
        name("power_consumption_microwatts"),
        "gauge",
        "The host's power, parted by processors' time, in microwatts.",
        tuple(
            Figure(
                round(host * each.percentage / 100), {**each.labels, "value_source": value_source}
            )
            for each in shares
        ),
    )


def _running() -> Iterator[tuple[Id, float, Process]]:
    """Every process that may be looked at, with the seconds of processors' time it has had."""
    import psutil

    for process in psutil.process_iter():
        try:
            with process.oneshot():
                times = process.cpu_times()
                yield Id(process.pid, process.create_time()), times.user + times.system, process
        except psutil.Error:
            continue  # it has ended, or is another user's
