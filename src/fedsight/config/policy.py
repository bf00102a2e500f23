"""The table of the policy service."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator
from pydantic_settings import NoDecode, SettingsConfigDict

from fedsight.config.ports import LOOPBACK, PORTS
from fedsight.config.section import Section
from fedsight.config.services import HostName

Role = Literal["viewer", "operator", "auditor", "admin"]


class PolicySettings(Section):
    """The policy service: where it listens, and by which set it decides."""

    model_config = SettingsConfigDict(env_prefix="FEDSIGHT_POLICY_")
    table = "policy"
    host: str = Field(LOOPBACK, min_length=1, description="a host name or an address")
    port: int = Field(
        PORTS["policy"].number,
        ge=0,
        le=65535,
        description="a port number from 0 (any free one) to 65535",
    )
    hosts: Annotated[tuple[HostName, ...], NoDecode] = Field(
        (), description="a list of host names without ports, in the environment parted by commas"
    )
    rules: Path | None = Field(None, description="the path of a folder with a policy set")
    tokens: Path | None = Field(None, description="the path of a TOML file with tokens and roles")
    token_file: Path | None = Field(
        None, description="the path of a file with the token that a policy service asks for"
    )
    local_roles: Annotated[tuple[Role, ...], NoDecode] = Field(
        ("viewer", "auditor"),
        description="a list of viewer, operator, auditor, admin, in the environment parted by"
        " commas",
    )
    observe: bool = Field(False, description="true or false")
    tls_cert: Path | None = Field(None, description="the path of a PEM file with a certificate")
    tls_key: Path | None = Field(None, description="the path of a PEM file with its key")

    @field_validator("hosts", "local_roles", mode="before")
    @classmethod
    def _parted(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        return [each.strip() for each in value.split(",") if each.strip()]
