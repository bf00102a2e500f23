"""How a bridge is to run: everything that it is told at its start."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from fedsight.door.hosts import LOOPBACK_NAMES, is_loopback
from fedsight.door.tls import Tls
from fedsight.errors import SettingsError
from fedsight.telemetry.bridge.notices import Clocks

Choice = Literal["nothing", "minutes", "rows"]
CHOICES = ("nothing", "minutes", "rows")


@dataclass(frozen=True)
class Upstream:
    """The collector that is sent to. `token` None: that of the data directory, shown to the
    collector of that data directory alone."""

    url: str = "http://127.0.0.1:8083"
    token: str | None = field(default=None, repr=False)
    verify: ssl.SSLContext | bool = True


@dataclass(frozen=True)
class BridgeOptions:
    """Settings of one bridge.

    `data` is its data directory, `hosts` names besides loopback's and `host` under which its HTTP
    may be addressed. `always_token`: it is asked for on loopback, too. `lateness` in ns: how long
    after its end a minute is sent. `severity`: the least of a log record that is kept. `all_spans`:
    those of no round become events. Raises SettingsError naming the key, its value and what is
    allowed.
    """

    data: Path
    host: str = "127.0.0.1"
    grpc_port: int = 4317
    http_port: int = 4318
    hosts: tuple[str, ...] = ()
    always_token: bool = False
    tls: Tls | None = None
    forward: Choice = "rows"
    upstream: Upstream = field(default_factory=Upstream)
    lateness: int = 30 * 10**9
    message_bytes: int = 8 * 2**20
    waiting_bytes: int = 64 * 2**20
    calls: int = 256
    labels: tuple[str, ...] = ()
    all_spans: bool = False
    severity: int = 9
    clocks: Clocks = field(default_factory=Clocks)
    journal_bytes: int = 256 * 2**20
    until_stdin_closes: bool = False
    refused_rate: float = 0.5
    refused_burst: float = 10.0

    def __post_init__(self) -> None:
        if self.forward not in CHOICES:
            said = ", ".join(CHOICES)
            raise SettingsError(f"bridge.forward must be one of {said}, got {self.forward!r}")

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach the bridge."""
        return is_loopback(self.host)

    @property
    def asks_token(self) -> bool:
        """Whether whoever sends must show the token: a name of one's own is a proxy's."""
        return self.always_token or not self.loopback or bool(self.hosts)

    @property
    def allowed_hosts(self) -> frozenset[str]:
        """Names that a request may address, in lower case."""
        return LOOPBACK_NAMES | {name.lower() for name in (self.host, *self.hosts)}

    @property
    def body_bytes(self) -> int:
        """The longest body, packed or not."""
        return self.message_bytes

    @property
    def journals(self) -> Path:
        """The folder of journals in the data directory."""
        return self.data / "journals"

    @property
    def minutes(self) -> Path:
        """The file of minutes that are still open."""
        return self.data / "bridge" / "minutes.sqlite"
