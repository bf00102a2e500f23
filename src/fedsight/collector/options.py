"""How a collector is to run: everything that it is told at its start."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from fedsight.collector.alerts.options import AlertOptions
from fedsight.collector.anomalies.options import AnomalyOptions
from fedsight.collector.backend_options import BackendOptions
from fedsight.collector.export.bulk import SearchServer
from fedsight.collector.monitors.plan import MonitorPlan
from fedsight.collector.passing.services import Door
from fedsight.collector.store.retention import Upkeeping
from fedsight.door.guard import host_name
from fedsight.door.hosts import LOOPBACK_NAMES, is_loopback
from fedsight.door.tls import Tls
from fedsight.errors import SettingsError


@dataclass(frozen=True)
class CollectorOptions:
    """Settings of one collector.

    `data` is its data directory. `hosts` are names, besides loopback's and `host`, under which it
    may be addressed, such as that of a proxy in front of it. `until_stdin_closes`: end when
    standard input reaches its end, so that a child dies with its parent. `journal_keep_days`: how
    long a journal stays of which the store has everything. `fl_server_url`: where the FL server's
    API is, `forecast_url` where the forecaster is and `policy_url` where the policy service is, to
    which the dashboard's requests are passed on; the last with `policy_token`, where there is one,
    and over TLS only where `policy_cert` is its own. `export_keep_days` and `export_bytes`:
    how long an export's file stays, and what all of them may take up. `elasticsearch`: where events
    are sent, None: nowhere. `upkeep`: when samples are sealed and how long they stay. `monitors`:
    what is watched. `backends`: where samples and the present are kept. `shared`: other collector
    processes may listen on the same port. `reader`: only read a data directory that another process
    writes to. Rates are requests a second for each client address. Raises SettingsError naming the
    key, its value and what is allowed.
    """

    data: Path
    host: str = "127.0.0.1"
    port: int = 8083
    until_stdin_closes: bool = False
    hosts: tuple[str, ...] = ()
    shared: bool = False
    reader: bool = False
    body_bytes: int = 32 * 2**20
    waiting_bytes: int = 64 * 2**20
    ingest_rate: float = 10_000.0
    ingest_burst: float = 20_000.0
    most_series: int = 1_000_000
    new_series: int = 100_000
    future_seconds: float = 600.0
    refused_rate: float = 0.5
    refused_burst: float = 10.0
    stream_queue: int = 1000
    streams: int = 2048
    orphan_seconds: float = 15.0
    journal_keep_days: float = 7.0
    fl_server_url: str = "http://127.0.0.1:8081"
    forecast_url: str = "http://127.0.0.1:8084"
    policy_url: str = "http://127.0.0.1:5000"
    policy_token: str | None = field(default=None, repr=False)
    policy_cert: Path | None = None
    export_keep_days: float = 7.0
    export_bytes: int = 4 * 2**30
    elasticsearch: SearchServer | None = None
    upkeep: Upkeeping = field(default_factory=Upkeeping)
    monitors: MonitorPlan = field(default_factory=MonitorPlan)
    tls: Tls | None = None
    alerts: AlertOptions = field(default_factory=AlertOptions)
    anomalies: AnomalyOptions = field(default_factory=AnomalyOptions)
    backends: BackendOptions = field(default_factory=BackendOptions)

    def __post_init__(self) -> None:
        if not 0 <= self.port <= 65535:
            raise SettingsError(f"port must lie between 0 and 65535, got {self.port}")
        if not self.host:
            raise SettingsError("host must be an address or a name, got ''")
        for name in (
            "body_bytes",
            "waiting_bytes",
            "ingest_rate",
            "ingest_burst",
            "refused_rate",
        ):
            if getattr(self, name) <= 0:
                raise SettingsError(f"{name} must be above 0, got {getattr(self, name)}")

    @property
    def future_ns(self) -> int:
        """How far ahead of the clock a sample's time may be, ns."""
        return int(self.future_seconds * 1e9)

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach the collector, or what passes requests on."""
        return is_loopback(self.host)

    @property
    def doors(self) -> dict[str, Door]:
        """Our other services, by name. Raises SettingsError where a certificate is none."""
        policy = Door(self.policy_url, self.policy_token, self._policy_verify())
        return {"fl": Door(self.fl_server_url), "forecast": Door(self.forecast_url)} | {
            "policy": policy
        }

    def _policy_verify(self) -> ssl.SSLContext | bool:
        if self.policy_cert is None:
            return True
        from fedsight.config.trust import Trust  # with pydantic, which a collector can do without

        return Trust(certificate=self.policy_cert).verify()

    def encrypted(self, host: str) -> bool:
        """Whether a browser that asks under this Host speaks TLS: with us, or with the proxy in
        front of us, whose name it then gives."""
        through_proxy = self.loopback and host_name(host) in {name.lower() for name in self.hosts}
        return self.tls is not None or through_proxy

    @property
    def needs_login(self) -> bool:
        """Whether a browser may have to log in: one from elsewhere, or through a proxy."""
        return not self.loopback or bool(self.hosts)

    @cached_property
    def allowed_hosts(self) -> frozenset[str]:
        """Names that a request may address, in lower case."""
        return LOOPBACK_NAMES | {name.lower() for name in (self.host, *self.hosts)}
