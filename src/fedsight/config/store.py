"""The tables of where samples and the present are kept."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict

from fedsight.config.ports import PORTS
from fedsight.config.section import Section

HOST = r"^[A-Za-z0-9]([A-Za-z0-9.\-]*[A-Za-z0-9])?$|^[0-9a-fA-F:]+$"


class StoreSettings(Section):
    """Where samples are kept, when they are sealed into files and how long they stay."""

    model_config = SettingsConfigDict(env_prefix="FEDSIGHT_STORE_")
    table = "store"
    backend: Literal["embedded", "influxdb"] = Field(
        "embedded", description="one of embedded, influxdb"
    )
    waiting_samples: int = Field(
        50_000_000, ge=1, description="a whole number of samples, at least 1"
    )
    raw_days: float = Field(0, ge=0, le=36_500, description="a number of days; 0: for ever")
    rollup_days: float = Field(
        0, ge=0, le=36_500, description="a number of days, at least raw_days; 0: for ever"
    )
    max_mb: int = Field(0, ge=0, description="a whole number of megabytes; 0: no limit")
    seal_samples: int = Field(
        1_000_000, ge=1000, le=10_000_000, description="a whole number from 1000 to 10000000"
    )
    seal_seconds: float = Field(
        3600, ge=1, le=604_800, description="a number of seconds from 1 to 604800"
    )


class InfluxSettings(Section):
    """Where InfluxDB is, where samples are kept there. The password may stand in a file."""

    model_config = SettingsConfigDict(env_prefix="INFLUXDB_")
    table = "influxdb"
    host: str = Field("localhost", pattern=HOST, description="a host name or an address")
    port: int = Field(
        PORTS["influxdb"].number, ge=1, le=65535, description="a port number from 1 to 65535"
    )
    database: str = Field(
        "fedsight",
        pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.\-]{0,63}$",
        description="a name of letters, digits and _.-",
    )
    retention: str = Field(
        "",
        pattern=r"^[A-Za-z0-9_.\-]{0,64}$",
        description="the name of a retention policy; empty: the database's default",
    )
    user: str = Field("", description="a name; empty: nobody has to log in")
    password: SecretStr | None = Field(None, description="the user's password")
    password_file: Path | None = Field(None, description="the path of a file that holds it")
    tls: bool = Field(False, description="true or false")


class CacheSettings(Section):
    """Where the present is kept, and word of what is new."""

    model_config = SettingsConfigDict(env_prefix="FEDSIGHT_CACHE_")
    table = "cache"
    backend: Literal["memory", "redis"] = Field("memory", description="one of memory, redis")


class RedisSettings(Section):
    """Where Redis is. The password may stand in a file."""

    model_config = SettingsConfigDict(env_prefix="REDIS_")
    table = "redis"
    host: str = Field("localhost", pattern=HOST, description="a host name or an address")
    port: int = Field(
        PORTS["redis"].number, ge=1, le=65535, description="a port number from 1 to 65535"
    )
    password: SecretStr | None = Field(None, description="its password")
    password_file: Path | None = Field(None, description="the path of a file that holds it")
    tls: bool = Field(False, description="true or false")
