"""How an FL server is to run: everything that it is told at its start."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from fedsight.config.trust import Trust
from fedsight.door.hosts import LOOPBACK_NAMES, is_loopback
from fedsight.errors import SettingsError
from fedsight.federated.plan import Plan


@dataclass(frozen=True)
class FederationOptions:
    """Settings of one FL server.

    `data` is its data directory; `plan` what a run trains where its start does not say; `keep` how
    many models of a run stay. `hosts` are names, besides loopback's and `host`, under which it may
    be addressed. `rules` is the policy set that models are promoted by, `policy` in the data
    directory where there is one; with `observe` it refuses nothing. `collector` is where the
    collector is expected. `until_stdin_closes`: end when standard input reaches its end. Rates are
    requests a second for each client address. Raises SettingsError naming the key, its value and
    what is allowed.
    """

    data: Path
    plan: Plan = field(default_factory=Plan)
    keep: int = 3
    host: str = "127.0.0.1"
    port: int = 8081
    hosts: tuple[str, ...] = ()
    collector: str = "http://127.0.0.1:8083"
    trust: Trust = field(default_factory=Trust)
    journal_bytes: int = 256 * 2**20
    until_stdin_closes: bool = False
    body_bytes: int = 64 * 1024
    refused_rate: float = 0.5
    refused_burst: float = 10.0
    stop_seconds: float = 10.0
    rules: Path | None = None
    observe: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.port <= 65535:
            raise SettingsError(f"port must lie between 0 and 65535, got {self.port}")
        if not self.host:
            raise SettingsError("host must be an address or a name, got ''")

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach the server, or what passes requests on."""
        return is_loopback(self.host)

    @property
    def allowed_hosts(self) -> frozenset[str]:
        """Names that a request may address, in lower case."""
        return LOOPBACK_NAMES | {name.lower() for name in (self.host, *self.hosts)}

    @property
    def journals(self) -> Path:
        """The folder of journals in the data directory."""
        return self.data / "journals"

    @property
    def models(self) -> Path:
        """The folder of model versions in the data directory."""
        return self.data / "models"

    @property
    def checkpoints(self) -> Path:
        """The folder of checkpoints in the data directory."""
        return self.data / "checkpoints"
