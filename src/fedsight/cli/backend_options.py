"""From settings to where a collector keeps samples and the present."""

from __future__ import annotations

from pathlib import Path

from pydantic import SecretStr

from fedsight.collector.backend_options import BackendOptions
from fedsight.collector.current.remote import RedisAddress
from fedsight.collector.influx.address import InfluxAddress
from fedsight.config import Settings
from fedsight.errors import SettingsError


def backend_options(settings: Settings) -> BackendOptions:
    """Where to keep them. Raises SettingsError for a secret that cannot be read."""
    return BackendOptions(
        _influx(settings) if settings.store.backend == "influxdb" else None,
        _redis(settings) if settings.cache.backend == "redis" else None,
        settings.store.waiting_samples,
    )


def _influx(settings: Settings) -> InfluxAddress:
    at = settings.influxdb
    return InfluxAddress(
        at.host,
        at.port,
        at.database,
        at.user,
        secret("influxdb.password", at.password, at.password_file),
        at.tls,
        at.retention,
    )


def _redis(settings: Settings) -> RedisAddress:
    at = settings.redis
    password = secret("redis.password", at.password, at.password_file)
    return RedisAddress(at.host, at.port, password, at.tls)


def secret(name: str, said: SecretStr | None, file: Path | None) -> str:
    """A secret from a setting or a file, empty where there is none.

    Raises SettingsError, without it, where both are set or the file cannot be read.
    """
    if file is None:
        return "" if said is None else said.get_secret_value()
    if said is not None:
        raise SettingsError(f"set {name} or {name}_file, not both")
    try:
        return file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no text"
        raise SettingsError(f"cannot read {name}_file {file}: {why}") from None
