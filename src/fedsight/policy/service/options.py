"""How a policy service is to run: everything that it is told at its start."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from fedsight.door.hosts import LOOPBACK_NAMES, is_loopback
from fedsight.door.tls import Tls
from fedsight.policy.service.anchoring import Witnessing


@dataclass(frozen=True)
class PolicyOptions:
    """Settings of one policy service.

    `data` is its data directory, `rules` the folder of the set in force, `tokens` the file that
    gives people roles. Who asks from this machine without a token may read with `local_roles`.
    `look_seconds` lie between two looks at the files. The newest decisions can be asked for: `kept`
    of them, and no more than are `kept_bytes` large; as many events. Rates are requests a second
    for each client address. `witness` is the collector that keeps anchors of the trail, None where
    none does.
    """

    data: Path
    rules: Path
    tokens: Path
    host: str = "127.0.0.1"
    port: int = 5000
    hosts: tuple[str, ...] = ()
    local_roles: tuple[str, ...] = ("viewer", "auditor")
    observe: bool = False
    tls: Tls | None = None
    look_seconds: float = 0.5
    kept: int = 20_000
    kept_bytes: int = 64 * 2**20
    head_records: int = 1000
    witness: Witnessing | None = None
    until_stdin_closes: bool = False
    body_bytes: int = 8 * 2**20
    refused_rate: float = 0.5
    refused_burst: float = 10.0

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach the service, or what passes requests on."""
        return is_loopback(self.host)

    @property
    def allowed_hosts(self) -> frozenset[str]:
        """Names that a request may address, in lower case."""
        return LOOPBACK_NAMES | {name.lower() for name in (self.host, *self.hosts)}

    @property
    def scheme(self) -> str:
        """Of its address."""
        return "http" if self.tls is None else "https"
