"""What an exporter tells, and how it comes to it: everything that it is told at its start."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from fedsight.errors import SettingsError

SOURCES = ("auto", "rapl", "model", "none")


@dataclass(frozen=True)
class ExporterOptions:
    """`power` is one of SOURCES, `powercap` the folder of the kernel's power zones, watts are the
    model's ends, `processes` how many are told of. Raises SettingsError naming key and value."""

    power: str = "auto"
    powercap: Path = Path("/sys/class/powercap")
    idle_watts: float = 10.0
    tdp_watts: float = 65.0
    processes: int = 0
    process_names: bool = False

    def __post_init__(self) -> None:
        if self.power not in SOURCES:
            raise SettingsError(
                f"exporter.power must be one of {', '.join(SOURCES)}, got {self.power!r}"
            )
        if not 0 <= self.idle_watts < self.tdp_watts:
            raise SettingsError(
                "exporter.tdp_watts must be above exporter.idle_watts,"
                f" got {self.tdp_watts} and {self.idle_watts}"
            )
