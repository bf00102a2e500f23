"""How an exporter is to run: everything that it is told at its start."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from fedsight.door.hosts import LOOPBACK_NAMES, is_loopback
from fedsight.errors import SettingsError


@dataclass(frozen=True)
class ExporterOptions:
    """Settings of one exporter; `data` is where its token lies. Rates are requests a second for
    each client address. Raises SettingsError naming the key, its value and what is allowed."""

    data: Path
    host: str = "127.0.0.1"
    port: int = 8080
    hosts: tuple[str, ...] = ()
    power: str = "auto"
    powercap: Path = Path("/sys/class/powercap")
    idle_watts: float = 10.0
    tdp_watts: float = 65.0
    processes: int = 0
    process_names: bool = False
    until_stdin_closes: bool = False
    body_bytes: int = 1024
    refused_rate: float = 0.5
    refused_burst: float = 10.0

    def __post_init__(self) -> None:
        if not 0 <= self.port <= 65535:
            raise SettingsError(f"port must lie between 0 and 65535, got {self.port}")
        if not self.host:
            raise SettingsError("host must be an address or a name, got ''")
        if not 0 <= self.idle_watts < self.tdp_watts:
            raise SettingsError(
                "exporter.tdp_watts must be above exporter.idle_watts,"
                f" got {self.tdp_watts} and {self.idle_watts}"
            )

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach the exporter, or what passes requests on."""
        return is_loopback(self.host)

    @property
    def allowed_hosts(self) -> frozenset[str]:
        """Names that a request may address, in lower case."""
        return LOOPBACK_NAMES | {name.lower() for name in (self.host, *self.hosts)}
