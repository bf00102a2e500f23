"""The table of what the collector watches."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator
from pydantic_settings import NoDecode, SettingsConfigDict

from fedsight.config.section import Section

TargetUrl = Annotated[str, StringConstraints(pattern=r"^https?://[^\s/?#@]+(/[^\s#]*)?$")]
TargetName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.\-]{0,63}$")]


class TargetSettings(BaseModel):
    """One Prometheus target."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: TargetName
    url: TargetUrl
    interval_seconds: float | None = Field(None, gt=0, le=86_400)


class MonitorSettings(Section):
    """What the collector watches, and how often."""

    model_config = SettingsConfigDict(
        env_prefix="FEDSIGHT_MONITORS_", populate_by_name=True, loc_by_alias=False
    )
    table = "monitors"
    interval_seconds: float = Field(
        5.0,
        gt=0,
        le=86_400,
        validation_alias="collection_interval",
        description="a number above 0 and at most 86400",
    )
    deadline_seconds: float = Field(
        10.0, gt=0, le=86_400, description="a number above 0 and at most 86400"
    )
    fl: bool = Field(True, description="true or false")
    policy: bool = Field(True, description="true or false")
    network: bool = Field(
        True, validation_alias="network_monitor_enabled", description="true or false"
    )
    events: bool = Field(True, description="true or false")
    host: bool = Field(True, description="true or false")
    host_interval_seconds: float = Field(
        15.0, gt=0, le=86_400, description="a number above 0 and at most 86400"
    )
    targets: Annotated[tuple[TargetSettings, ...], NoDecode] = Field(
        (),
        max_length=64,
        description="at most 64 tables with name, url and interval_seconds, in the environment"
        " NAME=URL parted by commas",
    )
    target_samples: int = Field(
        20_000, ge=1, le=1_000_000, description="a whole number from 1 to 1000000"
    )

    @field_validator("targets", mode="before")
    @classmethod
    def _parted(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        pairs = (one.partition("=") for one in value.split(","))
        return [{"name": name.strip(), "url": url.strip()} for name, _, url in pairs]
