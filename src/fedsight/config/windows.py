"""The table of the windows of telemetry: where they are kept, and what goes into them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator
from pydantic_settings import NoDecode, SettingsConfigDict

from fedsight.config.ports import LOOPBACK, PORTS
from fedsight.config.section import Section
from fedsight.config.store import HOST


class RuleSettings(BaseModel):
    """One rule on an attribute of what sends metrics."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    key: str = Field(min_length=1, max_length=255)
    operator: Literal["eq", "ne", "in", "regex", "exists"]
    value: str | tuple[str, ...] = ""


class ConfigurationSettings(BaseModel):
    """Metrics that go into windows, and the rules on who may send them."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_\-]{0,63}$")
    rules: tuple[RuleSettings, ...] = Field(min_length=1, max_length=32)
    metrics: tuple[str, ...] = Field(min_length=1, max_length=256)


class WindowSettings(Section):
    """Where windows are kept, how much each holds, and what goes into them."""

    model_config = SettingsConfigDict(env_prefix="FEDSIGHT_WINDOWS_")
    table = "windows"
    store: Literal["local", "dataclay"] = Field("local", description="one of local, dataclay")
    path: Path | None = Field(None, description="the path of a directory")
    max_rows: int = Field(
        300, ge=1, le=1_000_000, description="a whole number of rows from 1 to 1000000"
    )
    max_nodes: int = Field(
        1000, ge=1, le=100_000, description="a whole number of nodes from 1 to 100000"
    )
    interval_seconds: float = Field(
        3.0, ge=0.001, le=86_400, description="a number from 0.001 to 86400"
    )
    dataclay_host: str = Field(LOOPBACK, pattern=HOST, description="a host name or an address")
    dataclay_port: int = Field(
        PORTS["dataclay_metadata"].number,
        ge=1,
        le=65535,
        description="a port number from 1 to 65535",
    )
    dataclay_seconds: float = Field(
        5.0, gt=0, le=300, description="a number of seconds above 0, at most 300"
    )
    configurations: Annotated[tuple[ConfigurationSettings, ...], NoDecode] = Field(
        (),
        max_length=64,
        description="at most 64 tables with name, rules (tables with key, operator and value) and"
        " metrics, names apart, in the environment the same as JSON",
    )

    @field_validator("configurations", mode="before")
    @classmethod
    def _decoded(cls, value: object) -> object:
        return json.loads(value) if isinstance(value, str) else value

    @field_validator("configurations")
    @classmethod
    def _apart(cls, value: tuple[ConfigurationSettings, ...]) -> tuple[ConfigurationSettings, ...]:
        if len({each.name for each in value}) < len(value):
            raise ValueError("two configurations have one name")
        return value
