"""Settings: one TOML file and the environment, read once at the door into typed values.

The environment wins over the file, a command's flags win over both. Nothing is read at import.
"""

from __future__ import annotations

import difflib
import os
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, NamedTuple, TypeVar

import platformdirs
from pydantic import Field, StringConstraints, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from fedsight.errors import SettingsError

S = TypeVar("S", bound="Section")

CONFIG_FILE = "fedsight.toml"
CONFIG_VARIABLE = "FEDSIGHT_CONFIG"
DEBUG_VARIABLE = "FEDSIGHT_DEBUG"
LOOPBACK = "127.0.0.1"

HostName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9]([A-Za-z0-9.\-]*[A-Za-z0-9])?$")]


class Port(NamedTuple):
    """One line of the port table."""

    number: int
    what: str


#: Every port of the house, its own and its guests': none is written anywhere else.
PORTS = {
    "collector": Port(8083, "collector and dashboard"),
    "fl": Port(8081, "FL HTTP API and Prometheus metrics"),
    "policy": Port(5000, "policy engine"),
    "sdn": Port(8181, "SDN controller, REST"),
    "openflow": Port(6653, "SDN controller, OpenFlow"),
    "otlp_grpc": Port(4317, "OTLP over gRPC"),
    "otlp_http": Port(4318, "OTLP over HTTP"),
    "exporter": Port(8080, "telemetry exporter"),
    "forecast": Port(8084, "forecasts"),
    "superlink": Port(8000, "Flower SuperLink"),
    "supernode": Port(9094, "Flower SuperNode, and up"),
    "dataclay": Port(8676, "dataClay proxy"),
    "influxdb": Port(8086, "InfluxDB"),
    "redis": Port(6379, "Redis"),
    "mlflow": Port(5050, "MLflow (5000 is the policy engine's)"),
    "prometheus": Port(9090, "Prometheus"),
    "grafana": Port(3000, "Grafana"),
}


FL_SERVER_URL = f"http://{LOOPBACK}:{PORTS['fl'].number}"


class Section(BaseSettings):
    """One table of the file. A field's description completes the sentence `KEY must be ...`."""

    model_config = SettingsConfigDict(extra="forbid", frozen=True, env_ignore_empty=True)
    table: ClassVar[str] = ""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment, then the file (which arrives as arguments); nothing else."""
        return env_settings, init_settings

    @classmethod
    def key(cls, field: str) -> str:
        """The field's name in the file: `collector.port`."""
        return f"{cls.table}.{field}" if cls.table else field

    @classmethod
    def variable(cls, field: str) -> str:
        """The field's name in the environment: `COLLECTOR_PORT`.

        One with an alias stands there under that name alone: `MIN_CLIENTS`.
        """
        alias = cls.model_fields[field].validation_alias if field in cls.model_fields else None
        return (str(alias) if alias else f"{cls.model_config['env_prefix']}{field}").upper()


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

    @field_validator("hosts", mode="before")
    @classmethod
    def _parted(cls, value: object) -> object:
        return [name.strip() for name in value.split(",")] if isinstance(value, str) else value


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
    fl_server_url: str = Field(
        FL_SERVER_URL,
        pattern=r"^https?://[^\s/?#@]+/?$",
        description="an address without a path, such as http://127.0.0.1:8081",
    )


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


class RunSettings(Section):
    """What `fedsight run` trains where its flags do not say."""

    model_config = SettingsConfigDict(env_prefix="FEDSIGHT_RUN_")
    table = "run"
    task: str = Field("mnist", min_length=1, description="a task's name or package.module:object")
    nodes: int = Field(10, ge=1, description="a whole number of at least 1")
    rounds: int = Field(20, ge=1, description="a whole number of at least 1")
    fraction: float = Field(1.0, gt=0, le=1, description="a number above 0 and at most 1")
    partition: Literal["iid", "dirichlet", "shards"] = Field(
        "dirichlet", description="one of iid, dirichlet, shards"
    )
    alpha: float = Field(0.5, gt=0, allow_inf_nan=False, description="a number above 0")
    epochs: int = Field(5, ge=1, description="a whole number of at least 1")
    lr: float = Field(0.05, gt=0, allow_inf_nan=False, description="a number above 0")
    momentum: float = Field(0.9, ge=0, lt=1, description="a number of at least 0 and below 1")
    batch_size: int = Field(32, ge=1, description="a whole number of at least 1")
    seed: int = Field(0, ge=0, lt=2**63, description="a whole number from 0 to 9223372036854775807")
    local: Literal["loop", "cohort"] = Field("loop", description="one of loop, cohort")
    engine: Literal["simulation", "deployment"] = Field(
        "simulation", description="one of simulation, deployment"
    )
    algorithm: Literal[
        "fedavg", "fedprox", "fedavgm", "fedadam", "fedyogi", "fedadagrad", "scaffold"
    ] = Field(
        "fedavg",
        description="one of fedavg, fedprox, fedavgm, fedadam, fedyogi, fedadagrad, scaffold",
    )
    server_lr: float | None = Field(None, gt=0, allow_inf_nan=False, description="a number above 0")
    server_momentum: float = Field(
        0.9, ge=0, lt=1, description="a number of at least 0 and below 1"
    )
    beta1: float = Field(0.9, ge=0, lt=1, description="a number of at least 0 and below 1")
    beta2: float = Field(0.99, ge=0, lt=1, description="a number of at least 0 and below 1")
    tau: float = Field(1e-3, gt=0, allow_inf_nan=False, description="a number above 0")
    mu: float = Field(0.1, ge=0, allow_inf_nan=False, description="a number of at least 0")
    weighting: str = Field(
        "samples", min_length=1, description="samples, uniform, or package.module:function"
    )
    selection: Literal["random", "performance", "resources", "named", "utility"] = Field(
        "random", description="one of random, performance, resources, named, utility"
    )
    metric: Literal["loss", "accuracy"] = Field("loss", description="one of loss, accuracy")
    explore: float = Field(0.2, ge=0, le=1, description="a number from 0 to 1")
    min_cpu: float = Field(0.0, ge=0, allow_inf_nan=False, description="a number of at least 0")
    min_memory_gb: float = Field(
        0.0, ge=0, allow_inf_nan=False, description="a number of at least 0"
    )
    min_bandwidth_mbps: float = Field(
        0.0, ge=0, allow_inf_nan=False, description="a number of at least 0"
    )
    only: str = Field("", description="names or ids of nodes, parted by commas")
    tags: str = Field("", description="tags, parted by commas")
    where: str = Field("", description="key=value, parted by commas")
    fair_rounds: int = Field(0, ge=0, description="a whole number of at least 0; 0: no floor")
    min_clients: int = Field(1, ge=1, description="a whole number of at least 1")
    wait_seconds: float = Field(
        600.0, gt=0, le=86_400, description="a number above 0 and at most 86400"
    )
    timeout_seconds: float | None = Field(
        None, gt=0, le=86_400, description="a number above 0 and at most 86400"
    )
    quorum: int = Field(0, ge=0, description="a whole number of at least 0; 0: all")
    late: Literal["count", "use", "drop"] = Field("count", description="one of count, use, drop")
    over_select: float = Field(0.0, ge=0, le=10, description="a number from 0 to 10")
    mode: Literal["sync", "async"] = Field("sync", description="one of sync, async")
    buffer: int = Field(
        0, ge=0, description="a whole number of at least 0; 0: a tenth of the nodes"
    )
    staleness: float = Field(0.5, ge=0, le=10, description="a number from 0 to 10")
    silent_seconds: float = Field(
        10.0, gt=0, le=86_400, description="a number above 0 and at most 86400"
    )
    convergence_threshold: float = Field(
        0.0, ge=0, le=1, description="a number from 0 to 1; 0: train all rounds"
    )


SECTIONS: tuple[type[Section], ...] = (
    GeneralSettings,
    LogSettings,
    CollectorSettings,
    JournalSettings,
    ModelSettings,
    ServiceSettings,
    FederationSettings,
    RunSettings,
)
_TABLES = {section.table: section for section in SECTIONS if section.table}


@dataclass(frozen=True)
class Settings:
    """Everything that can be set."""

    data: Path
    log: LogSettings
    collector: CollectorSettings
    journal: JournalSettings
    models: ModelSettings
    services: ServiceSettings
    federation: FederationSettings
    run: RunSettings

    @property
    def journals(self) -> Path:
        """The folder of journals in the data directory."""
        return self.data / "journals"

    @property
    def checkpoint_folder(self) -> Path:
        """The folder of checkpoints in the data directory."""
        return self.data / "checkpoints"

    @property
    def model_folder(self) -> Path:
        """The folder of model versions in the data directory."""
        return self.data / "models"


def load(config: Path | None = None) -> Settings:
    """Read the settings.

    The file is `config`, else `$FEDSIGHT_CONFIG`, else `fedsight.toml` in the working directory
    if there is one. Raises SettingsError naming the key, its value and what is allowed.
    """
    path = _chosen(config)
    tables = _read(path) if path else {}
    general = {key: value for key, value in tables.items() if key not in _TABLES}
    sections: dict[str, Any] = {
        name: _section(section, tables.get(name, {}), path) for name, section in _TABLES.items()
    }
    return Settings(data=_section(GeneralSettings, general, path).data, **sections)


def _chosen(config: Path | None) -> Path | None:
    named = config or os.environ.get(CONFIG_VARIABLE)
    if named:
        return Path(named)
    found = Path(CONFIG_FILE)
    return found if found.is_file() else None


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"cannot read the configuration {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"the configuration {path} is not valid TOML: {error}") from error


def _section(section: type[S], values: Any, path: Path | None) -> S:
    if not isinstance(values, dict):
        raise SettingsError(f"{section.table} in {path} must be a table, got {values!r}")
    try:
        return section(**values)
    except ValidationError as error:
        raise SettingsError(_sentence(section, error, path)) from error


def _sentence(section: type[Section], error: ValidationError, path: Path | None) -> str:
    """What is wrong first, as a person would say it."""
    wrong = error.errors()[0]
    field = str(wrong["loc"][0])
    if wrong["type"] == "extra_forbidden":
        return f"unknown setting {section.key(field)} in {path}; {_suggestion(section, field)}"
    variable = section.variable(field)
    name = variable if os.environ.get(variable) else f"{section.key(field)} in {path}"
    allowed = section.model_fields[field].description
    return f"{name} must be {allowed}, got {wrong['input']!r}"


def _suggestion(section: type[Section], field: str) -> str:
    known = [section.key(name) for name in section.model_fields]
    known += [f"[{table}]" for table in _TABLES] if not section.table else []
    close = difflib.get_close_matches(section.key(field), known, n=1)
    if close:
        return f"did you mean {close[0]}?"
    return f"allowed are {', '.join(known)}"
