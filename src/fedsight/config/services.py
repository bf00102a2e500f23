"""The tables of our services and of what they keep."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import platformdirs
from pydantic import Field, StringConstraints, field_validator
from pydantic_settings import NoDecode, SettingsConfigDict

from fedsight.config.ports import (
    FL_SERVER_URL,
    FORECAST_URL,
    LOOPBACK,
    POLICY_ENGINE_URL,
    PORTS,
    SDN_CONTROLLER_URL,
)
from fedsight.config.section import Section
from fedsight.config.trust import Trust

Address = Annotated[str, StringConstraints(pattern=r"^https?://[^\s/?#@]+/?$")]
HostName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9]([A-Za-z0-9.\-]*[A-Za-z0-9])?$")]


class GeneralSettings(Section):
    """What stands above the tables."""

    model_config = SettingsConfigDict(env_prefix="FEDSIGHT_")
    data: Path = Field(
        default_factory=lambda: Path(platformdirs.user_data_dir("fedsight", appauthor=False)),
        description="the path of a directory",
    )

    @field_validator("data")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        return value.expanduser().absolute()


class LogSettings(Section):
    """What is logged."""

    model_config = SettingsConfigDict(env_prefix="LOG_")
    table = "log"
    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", description="one of DEBUG, INFO, WARNING, ERROR"
    )


class CollectorSettings(Section):
    """Where the collector listens."""

    model_config = SettingsConfigDict(env_prefix="COLLECTOR_")
    table = "collector"
    host: str = Field(LOOPBACK, min_length=1, description="a host name or an address")
    port: int = Field(
        PORTS["collector"].number,
        ge=0,
        le=65535,
        description="a port number from 0 (any free one) to 65535",
    )
    hosts: Annotated[tuple[HostName, ...], NoDecode] = Field(
        (), description="a list of host names without ports, in the environment parted by commas"
    )

    tls_cert: Path | None = Field(None, description="the path of a PEM file with a certificate")
    tls_key: Path | None = Field(None, description="the path of a PEM file with its key")
    tls_ca: Path | None = Field(
        None, description="the path of a PEM file with the authority that vouches for it"
    )

    @field_validator("hosts", mode="before")
    @classmethod
    def _parted(cls, value: object) -> object:
        return [name.strip() for name in value.split(",")] if isinstance(value, str) else value

    @property
    def scheme(self) -> str:
        """How the collector is spoken to."""
        return "http" if self.tls_cert is None and self.tls_ca is None else "https"

    @property
    def trust(self) -> Trust:
        """Whom those trust who speak to it."""
        return Trust(self.tls_ca, self.tls_cert)


class JournalSettings(Section):
    """How much disk a journal may take, and for how long."""

    model_config = SettingsConfigDict(env_prefix="FEDSIGHT_JOURNAL_")
    table = "journal"
    max_bytes: int = Field(
        256 * 2**20, ge=2**20, description="a number of bytes, at least 1048576 (1 MiB)"
    )
    keep_days: int = Field(
        7, ge=0, description="a whole number of at least 0; 0 keeps no journal that is shipped"
    )


class ModelSettings(Section):
    """How many of a run's models stay on disk as it trains."""

    model_config = SettingsConfigDict(env_prefix="FEDSIGHT_MODELS_")
    table = "models"
    keep: int = Field(3, ge=0, description="a whole number of at least 0; 0 keeps no models")


class ServiceSettings(Section):
    """Where our other services are; the dashboard reaches them through the collector."""

    model_config = SettingsConfigDict(env_prefix="")
    table = "services"
    fl_server_url: Address = Field(
        FL_SERVER_URL,
        description="an address without a path, such as http://127.0.0.1:8081",
    )
    policy_engine_url: Address = Field(
        POLICY_ENGINE_URL,
        description="an address without a path, such as http://127.0.0.1:5000",
    )
    policy_engine_host: str = Field(
        "", pattern=r"^[A-Za-z0-9.\-]*$", description="a host name or an address"
    )
    policy_token_file: Path | None = Field(
        None, description="the path of a file with a token of the policy service"
    )
    sdn_controller_url: Address = Field(
        SDN_CONTROLLER_URL,
        description="an address without a path, such as http://127.0.0.1:8181",
    )
    forecast_url: Address = Field(
        FORECAST_URL,
        description="an address without a path, such as http://127.0.0.1:8084",
    )
    sdn_controller_user: str = Field("", description="a user name")
    sdn_controller_password: str = Field("", repr=False, description="a password")


class FederationSettings(Section):
    """The FL server: where it listens, and what its runs are where their start does not say."""

    model_config = SettingsConfigDict(env_prefix="FL_SERVER_")
    table = "federation"
    host: str = Field(LOOPBACK, min_length=1, description="a host name or an address")
    port: int = Field(
        PORTS["fl"].number,
        ge=0,
        le=65535,
        description="a port number from 0 (any free one) to 65535",
    )
    hosts: Annotated[tuple[HostName, ...], NoDecode] = Field(
        (), description="a list of host names without ports, in the environment parted by commas"
    )
    min_clients: int = Field(
        2, ge=1, validation_alias="min_clients", description="a whole number of at least 1"
    )
    max_rounds: int = Field(
        100, ge=1, validation_alias="max_rounds", description="a whole number of at least 1"
    )
    aggregation_strategy: str = Field(
        "fedavg",
        min_length=1,
        validation_alias="aggregation_strategy",
        description="an algorithm's name",
    )
    client_fraction: float = Field(
        0.8,
        gt=0,
        le=1,
        validation_alias="client_fraction",
        description="a number above 0 and at most 1",
    )
    differential_privacy: bool = Field(
        False,
        validation_alias="differential_privacy",
        description="false: differential privacy is not built yet",
    )

    @field_validator("hosts", mode="before")
    @classmethod
    def _parted(cls, value: object) -> object:
        return [name.strip() for name in value.split(",")] if isinstance(value, str) else value

    @field_validator("differential_privacy")
    @classmethod
    def _not_built(cls, value: bool) -> bool:
        if value:
            raise ValueError("not built yet")
        return value
