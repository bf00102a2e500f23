"""Settings: one TOML file and the environment, read once at the door into typed values.

The environment wins over the file, a command's flags win over both. Nothing is read at import.
"""

from fedsight.config.alerts import (
    AlertSettings,
)
from fedsight.config.anomalies import (
    AnomalySettings,
)
from fedsight.config.bridge import (
    BridgeSettings,
)
from fedsight.config.exports import (
    ElasticsearchSettings,
    ExportSettings,
)
from fedsight.config.forecast import (
    ForecastSettings,
)
from fedsight.config.ingest import (
    IngestSettings,
)
from fedsight.config.monitors import (
    MonitorSettings,
    TargetSettings,
)
from fedsight.config.ports import (
    FL_SERVER_URL,
    LOOPBACK,
    PORTS,
    Port,
)
from fedsight.config.reading import (
    CONFIG_FILE,
    CONFIG_VARIABLE,
    DEBUG_VARIABLE,
    SECTIONS,
    Settings,
    load,
)
from fedsight.config.run import (
    RunSettings,
)
from fedsight.config.section import (
    Section,
)
from fedsight.config.services import (
    CollectorSettings,
    FederationSettings,
    GeneralSettings,
    JournalSettings,
    LogSettings,
    ModelSettings,
    ServiceSettings,
)
from fedsight.config.store import (
    CacheSettings,
    InfluxSettings,
    RedisSettings,
    StoreSettings,
)
from fedsight.config.telemetry import (
    AgentSettings,
    ExporterSettings,
    ScrapeSettings,
)
from fedsight.config.windows import (
    WindowSettings,
)

__all__ = [
    "CONFIG_FILE",
    "CONFIG_VARIABLE",
    "DEBUG_VARIABLE",
    "FL_SERVER_URL",
    "LOOPBACK",
    "PORTS",
    "SECTIONS",
    "AgentSettings",
    "AlertSettings",
    "AnomalySettings",
    "BridgeSettings",
    "CacheSettings",
    "CollectorSettings",
    "ElasticsearchSettings",
    "ExportSettings",
    "ExporterSettings",
    "FederationSettings",
    "ForecastSettings",
    "GeneralSettings",
    "InfluxSettings",
    "IngestSettings",
    "JournalSettings",
    "LogSettings",
    "ModelSettings",
    "MonitorSettings",
    "Port",
    "RedisSettings",
    "RunSettings",
    "ScrapeSettings",
    "Section",
    "ServiceSettings",
    "Settings",
    "StoreSettings",
    "TargetSettings",
    "WindowSettings",
    "load",
]
