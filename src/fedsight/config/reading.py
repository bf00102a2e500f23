"""From file and environment to typed values."""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from fedsight.config.alerts import AlertSettings
from fedsight.config.anomalies import AnomalySettings
from fedsight.config.bridge import BridgeSettings
from fedsight.config.exports import ElasticsearchSettings, ExportSettings
from fedsight.config.forecast import ForecastSettings
from fedsight.config.ingest import IngestSettings
from fedsight.config.monitors import MonitorSettings
from fedsight.config.policy import PolicySettings
from fedsight.config.run import RunSettings
from fedsight.config.section import Section
from fedsight.config.services import (
    CollectorSettings,
    FederationSettings,
    GeneralSettings,
    JournalSettings,
    LogSettings,
    ModelSettings,
    ServiceSettings,
)
from fedsight.config.store import CacheSettings, InfluxSettings, RedisSettings, StoreSettings
from fedsight.config.telemetry import AgentSettings, ExporterSettings
from fedsight.config.windows import WindowSettings
from fedsight.errors import SettingsError

S = TypeVar("S", bound="Section")

CONFIG_FILE = "fedsight.toml"
CONFIG_VARIABLE = "FEDSIGHT_CONFIG"
DEBUG_VARIABLE = "FEDSIGHT_DEBUG"
#: A user and a password in an address that is refused.
CREDENTIALS = re.compile(r"://[^@\s'\"]*@")

SECTIONS: tuple[type[Section], ...] = (
    GeneralSettings,
    LogSettings,
    CollectorSettings,
    IngestSettings,
    JournalSettings,
    ModelSettings,
    ServiceSettings,
    MonitorSettings,
    ExportSettings,
    ElasticsearchSettings,
    AlertSettings,
    AnomalySettings,
    StoreSettings,
    InfluxSettings,
    CacheSettings,
    RedisSettings,
    FederationSettings,
    RunSettings,
    ExporterSettings,
    AgentSettings,
    BridgeSettings,
    WindowSettings,
    ForecastSettings,
    PolicySettings,
)
_TABLES = {section.table: section for section in SECTIONS if section.table}


@dataclass(frozen=True)
class Settings:
    """Everything that can be set; `file` is the file that was read, if any."""

    file: Path | None
    data: Path
    log: LogSettings
    collector: CollectorSettings
    ingest: IngestSettings
    journal: JournalSettings
    models: ModelSettings
    services: ServiceSettings
    monitors: MonitorSettings
    export: ExportSettings
    elasticsearch: ElasticsearchSettings
    alerts: AlertSettings
    anomalies: AnomalySettings
    store: StoreSettings
    influxdb: InfluxSettings
    cache: CacheSettings
    redis: RedisSettings
    federation: FederationSettings
    run: RunSettings
    exporter: ExporterSettings
    agent: AgentSettings
    windows: WindowSettings
    bridge: BridgeSettings
    forecast: ForecastSettings
    policy: PolicySettings

    @property
    def journals(self) -> Path:
        """The folder of journals in the data directory."""
        return self.data / "journals"

    @property
    def checkpoint_folder(self) -> Path:
        """The folder of checkpoints in the data directory."""
        return self.data / "checkpoints"

    @property
    def windows_folder(self) -> Path:
        """The folder of the windows of telemetry: `windows.path`, else in the data directory."""
        return self.windows.path or self.data / "windows"

    @property
    def personal_folder(self) -> Path:
        """The folder in which nodes of this machine keep models of their own, each in its own."""
        return self.data / "personal"

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
    data = _section(GeneralSettings, general, path).data
    return Settings(file=path and path.absolute(), data=data, **sections)


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
    known = section.model_fields[field]
    shown = CREDENTIALS.sub("://***@", repr(wrong["input"]))
    got = f", got {shown}" if known.repr else ""  # a secret is not repeated
    return f"{name} must be {known.description}{got}"


def _suggestion(section: type[Section], field: str) -> str:
    known = [section.key(name) for name in section.model_fields]
    known += [f"[{table}]" for table in _TABLES] if not section.table else []
    close = difflib.get_close_matches(section.key(field), known, n=1)
    if close:
        return f"did you mean {close[0]}?"
    return f"allowed are {', '.join(known)}"
