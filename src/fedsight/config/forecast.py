"""The table of the forecaster."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator
from pydantic_settings import NoDecode, SettingsConfigDict

from fedsight.config.ports import LOOPBACK, PORTS
from fedsight.config.section import Section
from fedsight.config.services import HostName

Steps = Annotated[int, Field(ge=1, le=10_000)]


class ForecastSettings(Section):
    """The forecaster: where it listens, how often it looks, and what it does when it errs more."""

    model_config = SettingsConfigDict(env_prefix="FORECAST_")
    table = "forecast"
    host: str = Field(LOOPBACK, min_length=1, description="a host name or an address")
    port: int = Field(
        PORTS["forecast"].number,
        ge=0,
        le=65535,
        description="a port number from 0 (any free one) to 65535",
    )
    hosts: Annotated[tuple[HostName, ...], NoDecode] = Field(
        (), description="a list of host names without ports, in the environment parted by commas"
    )
    model: str = Field("", description="a model version, such as r-3fa9c01b/20")
    interval_seconds: float = Field(
        30.0, ge=0.5, le=3600, description="a number of seconds from 0.5 to 3600"
    )
    horizons: Annotated[tuple[Steps, ...], NoDecode] = Field(
        (1, 10, 100),
        max_length=10,
        description="a list of at most 10 whole numbers, in the environment parted by commas",
    )
    period_hours: float = Field(24.0, gt=0, le=168, description="a number above 0 and at most 168")
    grace_minutes: float = Field(
        15.0, ge=0, le=1440, description="a number of minutes from 0 to 1440"
    )
    retrain: Literal["never", "suggest", "run"] = Field(
        "suggest", description="one of never, suggest, run"
    )
    drift_ratio: float = Field(1.5, gt=1.2, description="a number above 1.2")
    cool_down_minutes: float = Field(360.0, ge=1, description="a number of minutes of at least 1")

    @field_validator("hosts", "horizons", mode="before")
    @classmethod
    def _parted(cls, value: object) -> object:
        return [each.strip() for each in value.split(",")] if isinstance(value, str) else value
