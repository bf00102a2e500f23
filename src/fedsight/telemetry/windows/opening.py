"""Windows as the settings say."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from fedsight.config.windows import ConfigurationSettings, WindowSettings
from fedsight.telemetry.windows.local import LocalWindows
from fedsight.telemetry.windows.rules import (
    BridgeConfiguration,
    ResourceConfiguration,
    Rule,
    scaphandre,
)

if TYPE_CHECKING:
    from fedsight.telemetry.windows.dataclay_windows import DataClayWindows


def opened(settings: WindowSettings, folder: Path) -> LocalWindows | DataClayWindows:
    """The windows that are set, those on disk in `folder`; for writers and readers alike.

    Whoever opened them closes them; they are context managers.

    Raises MissingExtraError where dataClay is set and not installed.
    """
    interval_ns = round(settings.interval_seconds * 1e9)
    local = LocalWindows(folder, settings.max_rows, interval_ns, max_nodes=settings.max_nodes)
    if settings.store == "local":
        return local
    # DataClay sets up a whole runtime when it is imported, and may not be installed.
    from fedsight.telemetry.windows.dataclay_windows import DataClayWindows

    host, port = settings.dataclay_host, settings.dataclay_port
    return DataClayWindows(host, port, local, settings.dataclay_seconds)


def configured(settings: WindowSettings) -> BridgeConfiguration:
    """What goes into windows: what is set, else a Scaphandre exporter's host metrics.

    Raises UsageError where a rule or a name is none.
    """
    if not settings.configurations:
        return scaphandre()
    configuration = BridgeConfiguration()
    for each in settings.configurations:
        configuration.set_res_config(_configuration(each))
    return configuration


def _configuration(settings: ConfigurationSettings) -> ResourceConfiguration:
    rules = tuple(Rule(each.key, each.operator, each.value) for each in settings.rules)
    return ResourceConfiguration(settings.name, rules, settings.metrics)
