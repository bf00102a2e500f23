"""Energy that the processor measures itself (RAPL), from the kernel's power zones.

https://www.kernel.org/doc/html/latest/power/powercap/powercap.html. Each zone has a counter of
microjoules that goes round at `max_energy_range_uj`: at 65 W about once an hour.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from fedsight.errors import FedsightError
from fedsight.telemetry.exporter.power import HOST, LEAST_SECONDS, Part, Power

#: `intel-rapl` is the driver of AMD's processors too; `intel-rapl-mmio` is the same counters again.
PACKAGE_ZONE = re.compile(r"intel-rapl:(\d+)$")
DOMAIN_ZONE = re.compile(r"intel-rapl:(\d+):(\d+)$")
PACKAGE_NAME = re.compile(r"package-(\d+)")
PLATFORM = "psys"
MEMORY = "dram"
#: No socket or platform draws that much: such a step is a counter that began anew (after a suspend,
#: say).
MOST_WATTS, MOST_PLATFORM_WATTS = 1_500, 5_000
#: Nor is one taken for a round that would be so many times the most that was seen, and so many
#: watts: a gap is told rather than power that nobody drew.
ROUND_FACTOR, ROUND_WATTS = 4, 100
MICRO = 1e6


class RaplError(FedsightError):
    """The power zones are not there, or may not be read; the message says which and what to do."""


@dataclass(frozen=True)
class Zone:
    """One counter: where it is, and what it measures."""

    folder: Path
    part: Part

    def microjoules(self) -> int:
        """The counter; raises OSError or ValueError."""
        return int((self.folder / "energy_uj").read_text(encoding="ascii"))

    def wraps_at(self) -> int:
        """The highest value of the counter; 0 where the kernel does not tell."""
        try:
            return int((self.folder / "max_energy_range_uj").read_text(encoding="ascii"))
        except (OSError, ValueError):
            return 0


class Counter:
    """A zone's counter without its going round. Begins at the zone's own value."""

    def __init__(self, zone: Zone, now: float) -> None:
        self.zone = zone
        self._last = zone.microjoules()
        self._read_at = now
        self._range = zone.wraps_at()
        self._most = (MOST_PLATFORM_WATTS if zone.part == HOST else MOST_WATTS) * MICRO
        self._seen = 0.0
        self.total = self._last
        self._at_look: tuple[float, int] | None = (now, self.total)

    def read(self, now: float) -> bool:
        """Take up what came since; False where it cannot be read or began anew, and then the power
        since the last look is not known."""
        try:
            value = self.zone.microjoules()
        except (OSError, ValueError):
            self._at_look = None
            return False
        step, seconds = value - self._last, max(now - self._read_at, LEAST_SECONDS)
        most = self._most
        if step < 0 and self._last <= self._range:
            step += self._range
            if self._seen:
                most = min(most, max(ROUND_FACTOR * self._seen, ROUND_WATTS * MICRO))
        self._last, self._read_at = value, now
        if not 0 <= step <= most * seconds:
            self._at_look = (now, self.total)
            return False
        self._seen = max(self._seen, step / seconds)
        self.total += step
        return True

    def microwatts(self, now: float) -> float | None:
        """Mean power since the last look, which this one becomes."""
        known, before = self.read(now), self._at_look
        if not known:
            return None
        self._at_look = (now, self.total)
        if before is None or now - before[0] < LEAST_SECONDS:
            return None
        return (self.total - before[1]) / (now - before[0])


class Rapl:
    """The power zones beneath `folder`. Raises RaplError where there are none to be read."""

    value_source = "rapl"

    def __init__(self, folder: Path, now: float) -> None:
        found = zones(folder)
        if not found:
            raise RaplError(f"{folder} has no RAPL zones: this machine does not measure its power")
        try:
            self._counters = [Counter(zone, now) for zone in found]
        except (OSError, ValueError) as error:
            raise RaplError(
                f"the energy counters in {folder} cannot be read ({_why(error)}); since Linux 5.10"
                " only root may: run the exporter as root, let its group read energy_uj, or set"
                " exporter.power to model"
            ) from error

    def keep_up(self, now: float) -> None:
        """As `PowerSource.keep_up`."""
        for counter in self._counters:
            counter.read(now)

    def look(self, now: float) -> list[Power]:
        """As `PowerSource.look`. The host is the platform's zone where there is one, else all
        sockets and their memory, which RAPL counts beside them."""
        by_part: dict[Part, list[Power]] = defaultdict(list)
        for counter in self._counters:
            power = counter.microwatts(now)
            by_part[counter.zone.part].append(Power(counter.zone.part, counter.total, power))
        parts = [together(part, found) for part, found in by_part.items()]
        whole = [each for each in parts if each.part == HOST]
        if whole:
            return parts
        summed = [each for each in parts if each.part.domain in (None, MEMORY)]
        return [together(HOST, summed), *parts]


def together(part: Part, powers: list[Power]) -> Power:
    """Their sum; its power is not known where one's is not."""
    known = [each.microwatts for each in powers if each.microwatts is not None]
    power = sum(known) if len(known) == len(powers) else None
    return Power(part, sum(each.microjoules for each in powers), power)


def zones(folder: Path) -> list[Zone]:
    """The zones beneath a folder, in the order of their numbers."""
    try:
        entries = sorted(folder.iterdir())
    except OSError:
        return []
    sockets = {one[1]: part for path in entries for one, part in _packages(path)}
    return [*_package_zones(entries), *_domain_zones(entries, sockets)]


def _packages(path: Path) -> Iterator[tuple[re.Match[str], int]]:
    matched = PACKAGE_ZONE.match(path.name)
    name = _name(path) if matched else None
    if matched and name is not None and name != PLATFORM:
        package = PACKAGE_NAME.match(name)
        yield matched, int(package[1] if package else matched[1])


def _package_zones(entries: list[Path]) -> Iterator[Zone]:
    for path in entries:
        if PACKAGE_ZONE.match(path.name) and _name(path) == PLATFORM:
            yield Zone(path, HOST)
        for _, socket in _packages(path):
            yield Zone(path, Part(socket))


def _domain_zones(entries: list[Path], sockets: dict[str, int]) -> Iterator[Zone]:
    for path in entries:
        matched = DOMAIN_ZONE.match(path.name)
        name = _name(path) if matched else None
        if matched and name is not None and matched[1] in sockets:
            yield Zone(path, Part(sockets[matched[1]], name, int(matched[2])))


def _name(zone: Path) -> str | None:
    try:
        return (zone / "name").read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return None


def _why(error: OSError | ValueError) -> str:
    return (error.strerror or str(error)) if isinstance(error, OSError) else str(error)
