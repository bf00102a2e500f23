"""What is to be monitored: everything that the settings say of it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from fedsight.errors import SettingsError

MOST_TARGETS = 64
TARGET_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.\-]{0,63}$")


@dataclass(frozen=True)
class ScrapeTarget:
    """One Prometheus target. `interval`: seconds; None is that of all monitors."""

    name: str
    url: str
    interval: float | None = None

    def __post_init__(self) -> None:
        if not TARGET_NAME.match(self.name):
            raise SettingsError(
                "a target's name must be 1 to 64 letters, digits, dots, hyphens or underscores,"
                f" got {self.name!r}"
            )
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username:
            raise SettingsError(
                f"the url of target {self.name} must begin with http:// or https:// and hold no"
                " user name and no password"
            )


@dataclass(frozen=True)
class MonitorPlan:
    """Which monitors run, and how; seconds. By default none does: the settings switch them on.

    An address that is None is not watched. `sdn_user` and `sdn_password` are shown to the SDN
    controller where they are given. Raises SettingsError naming what is out of range.
    """

    interval: float = 5.0
    deadline: float = 10.0
    fl_server_url: str | None = None
    policy_engine_url: str | None = None
    sdn_controller_url: str | None = None
    sdn_user: str = ""
    sdn_password: str = ""
    events: bool = False
    host: bool = False
    host_interval: float = 15.0
    targets: tuple[ScrapeTarget, ...] = ()
    target_bytes: int = 4 * 2**20
    target_samples: int = 20_000

    def __post_init__(self) -> None:
        for name in ("interval", "deadline", "host_interval"):
            if not 0 < getattr(self, name) <= 86_400:
                raise SettingsError(f"{name} must be above 0 and at most 86400 seconds")
        if len(self.targets) > MOST_TARGETS:
            raise SettingsError(f"there may be {MOST_TARGETS} targets, got {len(self.targets)}")
        names = [target.name for target in self.targets]
        twice = {name for name in names if names.count(name) > 1}
        if twice:
            raise SettingsError(f"two targets have the name {min(twice)!r}")
