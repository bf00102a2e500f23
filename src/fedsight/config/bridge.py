"""The table of the bridge: where OTLP comes in, how much of it, and what goes on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, field_validator
from pydantic_settings import NoDecode, SettingsConfigDict

from fedsight.config.ports import LOOPBACK, PORTS
from fedsight.config.section import Section
from fedsight.config.services import Address, HostName

AttributeName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_.:\-]{0,127}$")]
PORT_SAID = "a port number from 0 (any free one) to 65535"
LIST_SAID = "in the environment parted by commas"


class BridgeSettings(Section):
    """Where OTLP comes in, how much of it, and what of it leaves the node."""

    model_config = SettingsConfigDict(env_prefix="FEDSIGHT_BRIDGE_")
    table = "bridge"
    host: str = Field(LOOPBACK, min_length=1, description="a host name or an address")
    grpc_port: int = Field(PORTS["otlp_grpc"].number, ge=0, le=65535, description=PORT_SAID)
    http_port: int = Field(PORTS["otlp_http"].number, ge=0, le=65535, description=PORT_SAID)
    hosts: Annotated[tuple[HostName, ...], NoDecode] = Field(
        (), description=f"a list of host names without ports, {LIST_SAID}"
    )
    token: Literal["beyond", "always"] = Field("beyond", description="one of beyond, always")
    tls_cert: Path | None = Field(None, description="the path of a PEM file with a certificate")
    tls_key: Path | None = Field(None, description="the path of a PEM file with its key")
    forward: Literal["auto", "nothing", "minutes", "rows"] = Field(
        "auto", description="one of auto, nothing, minutes, rows"
    )
    collector_url: Address | None = Field(
        None, description="an address without a path, such as https://collector.example:8083"
    )
    collector_token_file: Path | None = Field(
        None, description="the path of a file with the collector's token"
    )
    collector_ca: Path | None = Field(
        None, description="the path of a PEM file with the authority that vouches for the collector"
    )
    lateness_seconds: float = Field(
        30.0, ge=0, le=86_400, description="a number of seconds from 0 to 86400"
    )
    message_mb: int = Field(8, ge=1, le=256, description="a whole number of MiB from 1 to 256")
    waiting_mb: int = Field(64, ge=1, le=16384, description="a whole number of MiB from 1 to 16384")
    calls: int = Field(256, ge=1, le=10_000, description="a whole number from 1 to 10000")
    labels: Annotated[tuple[AttributeName, ...], NoDecode] = Field(
        (), max_length=4, description=f"at most 4 names of resource attributes, {LIST_SAID}"
    )
    spans: Literal["rounds", "all"] = Field("rounds", description="one of rounds, all")
    severity: int = Field(9, ge=0, le=24, description="a whole number from 0 to 24")
    ahead_seconds: float = Field(300.0, ge=0, description="seconds, at least 0")
    behind_seconds: float = Field(7200.0, ge=0, description="seconds, at least 0")

    @field_validator("hosts", "labels", mode="before")
    @classmethod
    def _parted(cls, value: object) -> object:
        return [name.strip() for name in value.split(",")] if isinstance(value, str) else value
