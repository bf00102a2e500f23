"""Where a collector keeps samples and the present: settings of both."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass

from fedsight.collector.current.remote import RedisAddress
from fedsight.collector.influx.address import InfluxAddress
from fedsight.errors import SettingsError


@dataclass(frozen=True)
class BackendOptions:
    """Where samples and the present are kept; None: here.

    `waiting_samples` may wait in the hot log while InfluxDB is away; beyond, no more are taken in.
    Raises SettingsError where a package is missing.
    """

    influx: InfluxAddress | None = None
    redis: RedisAddress | None = None
    waiting_samples: int = 50_000_000

    def __post_init__(self) -> None:
        if self.influx is not None:
            _check_installed("influxdb", "influx", "the store InfluxDB")
        if self.redis is not None:
            _check_installed("redis", "redis", "the cache Redis")


def _check_installed(package: str, extra: str, what: str) -> None:
    if importlib.util.find_spec(package) is None:
        raise SettingsError(
            f"{what} needs the package {package}; install it with: pip install 'fedsight[{extra}]'"
        )
