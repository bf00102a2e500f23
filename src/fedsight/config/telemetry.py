"""The tables of the exporter and of the agent: a node's own figures, and their way to a bridge."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator
from pydantic_settings import NoDecode, SettingsConfigDict

from fedsight.config.monitors import TargetName, TargetUrl
from fedsight.config.ports import LOOPBACK, PORTS
from fedsight.config.section import Section
from fedsight.config.services import Address, HostName

#: What Scaphandre's figures are called downstream.
SCAPHANDRE = "scaphandre-metrics"
EXPORTER_URL = f"http://{LOOPBACK}:{PORTS['exporter'].number}/metrics"
BRIDGE_URL = f"http://{LOOPBACK}:{PORTS['otlp_grpc'].number}"
NODE_PATTERN = r"[A-Za-z0-9][A-Za-z0-9_.\-]{0,63}"
PORT_SAID = "a port number from 0 (any free one) to 65535"


class ExporterSettings(Section):
    """Where the exporter listens, and how it comes to this machine's power."""

    model_config = SettingsConfigDict(env_prefix="FEDSIGHT_EXPORTER_")
    table = "exporter"
    host: str = Field(LOOPBACK, min_length=1, description="a host name or an address")
    port: int = Field(PORTS["exporter"].number, ge=0, le=65535, description=PORT_SAID)
    hosts: Annotated[tuple[HostName, ...], NoDecode] = Field(
        (), description="a list of host names without ports, in the environment parted by commas"
    )
    power: Literal["auto", "rapl", "model", "none"] = Field(
        "auto", description="one of auto, rapl, model, none"
    )
    powercap: Path = Field(Path("/sys/class/powercap"), description="the path of a directory")
    idle_watts: float = Field(
        10.0, ge=0, le=100_000, description="a number of watts from 0 to 100000"
    )
    tdp_watts: float = Field(
        65.0,
        gt=0,
        le=100_000,
        description="a number of watts above exporter.idle_watts, at most 100000",
    )
    processes: int = Field(0, ge=0, le=100, description="a whole number from 0 (none) to 100")
    process_names: bool = Field(False, description="true or false")

    @field_validator("hosts", mode="before")
    @classmethod
    def _parted(cls, value: object) -> object:
        return [name.strip() for name in value.split(",")] if isinstance(value, str) else value

    @field_validator("tdp_watts")
    @classmethod
    def _above_idle(cls, value: float, info: ValidationInfo) -> float:
        if value <= info.data.get("idle_watts", 0.0):
            raise ValueError("not above exporter.idle_watts")
        return value


class ScrapeSettings(BaseModel):
    """One target of the agent; without an interval of its own it has the agent's."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: TargetName = SCAPHANDRE
    url: TargetUrl
    interval_seconds: float | None = Field(None, ge=0.1, le=86_400)
    token_file: Path | None = None


class AgentSettings(Section):
    """What the agent scrapes, for which node, and where it sends that."""

    model_config = SettingsConfigDict(env_prefix="FEDSIGHT_AGENT_")
    table = "agent"
    node: str = Field(
        "",
        pattern=rf"^({NODE_PATTERN})?$",
        description="a name of at most 64 letters, digits, '.', '_' and '-', or empty",
    )
    targets: Annotated[tuple[ScrapeSettings, ...], NoDecode] = Field(
        default_factory=lambda: (
            ScrapeSettings(name=SCAPHANDRE, url=EXPORTER_URL, interval_seconds=None),
        ),
        min_length=1,
        max_length=64,
        description="1 to 64 tables with name, url, interval_seconds and token_file, names apart,"
        " in the environment NAME=URL parted by commas",
    )
    interval_seconds: float = Field(
        3.0, ge=0.1, le=86_400, description="a number from 0.1 to 86400"
    )
    scrape_timeout_seconds: float = Field(
        2.5, gt=0, le=300, description="a number above 0, at most 300"
    )
    batch_seconds: float = Field(180.0, ge=0.1, le=86_400, description="a number from 0.1 to 86400")
    endpoint: Address = Field(
        BRIDGE_URL, description="an address without a path, such as http://127.0.0.1:4317"
    )
    tls_ca: Path | None = Field(
        None, description="the path of a PEM file with the authority that vouches for the bridge"
    )
    token_file: Path | None = Field(None, description="the path of a file with the bridge's token")
    send_timeout_seconds: float = Field(
        10.0, gt=0, le=300, description="a number above 0, at most 300"
    )
    queue: Path | None = Field(None, description="the path of a directory")
    queue_bytes: int = Field(
        256 * 2**20, ge=2**20, description="a number of bytes, at least 1048576 (1 MiB)"
    )
    host: str = Field(LOOPBACK, min_length=1, description="a host name or an address")
    port: int = Field(PORTS["agent"].number, ge=0, le=65535, description=PORT_SAID)

    @field_validator("targets", mode="before")
    @classmethod
    def _parted(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        pairs = (one.partition("=") for one in value.split(","))
        return [{"name": name.strip(), "url": url.strip()} for name, _, url in pairs]

    @field_validator("targets")
    @classmethod
    def _apart(cls, value: tuple[ScrapeSettings, ...]) -> tuple[ScrapeSettings, ...]:
        if len({each.name for each in value}) < len(value):
            raise ValueError("two targets have one name")
        return value
