"""What a source of power tells: energy that was counted, and mean power since the last look."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from fedsight.door.exposition import Family, Figure

#: Under this many seconds a difference of two readings is mostly the clock's grain.
LEAST_SECONDS = 0.2


class Part(NamedTuple):
    """What is measured: the host (no field set), a socket, or a domain of a socket."""

    socket: int | None = None
    domain: str | None = None
    number: int | None = None

    @property
    def labels(self) -> dict[str, str]:
        """Its labels, as Scaphandre names them."""
        if self.domain is not None:
            return {
                "domain_name": self.domain,
                "domain_id": str(self.number),
                "socket_id": str(self.socket),
            }
        return {} if self.socket is None else {"socket_id": str(self.socket)}

    @property
    def level(self) -> str:
        """Which of Scaphandre's metrics are its own."""
        return "domain" if self.domain is not None else "host" if self.socket is None else "socket"


HOST = Part()


@dataclass(frozen=True, slots=True)
class Power:
    """One part: energy since it began to be counted (µJ), and mean power since the last look (µW),
    which is None where it is not known."""

    part: Part
    microjoules: float
    microwatts: float | None


class PowerSource(Protocol):
    """Where power comes from; `value_source` says it beside every value."""

    value_source: str

    def look(self, now: float) -> list[Power]:
        """Every part at `now` (s, monotonic); mean power is since the call before."""

    def keep_up(self, now: float) -> None:
        """Take note of counters before they can wrap around twice."""


ABOUT = {
    "host": "the whole host",
    "socket": "a processor's socket",
    "domain": "a domain of a processor's socket",
}


def families(found: list[Power], value_source: str) -> Iterator[Family]:
    """Energy and power of hosts, sockets and domains; what is not known has no line."""
    for level, about in ABOUT.items():
        ours = [(each, {**each.part.labels}) for each in found if each.part.level == level]
        for _, labels in ours:
            labels["value_source"] = value_source
        yield Family(
            f"scaph_{level}_energy_microjoules",
            "counter",
            f"Energy of {about}, in microjoules.",
            tuple(Figure(round(each.microjoules), labels) for each, labels in ours),
        )
        yield Family(
            f"scaph_{level}_power_microwatts",
            "gauge",
            f"Mean power of {about} since the last look, in microwatts.",
            tuple(
                Figure(round(each.microwatts), labels)
                for each, labels in ours
                if each.microwatts is not None
            ),
        )
