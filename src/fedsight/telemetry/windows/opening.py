"""Windows as the settings say."""

from __future__ import annotations

from pathlib import Path

from fedsight.config.windows import ConfigurationSettings, WindowSettings
from fedsight.telemetry.windows.contract import Windows
from fedsight.telemetry.windows.local import LocalWindows
from fedsight.telemetry.windows.rules import (
    BridgeConfiguration,
    ResourceConfiguration,
    Rule,
    scaphandre,
)


def opened(settings: WindowSettings, folder: Path) -> Windows:
    """The windows that are set, those on disk in `folder`; for writers and readers alike.

    Raises WindowError where dataClay is wanted and away, MissingExtraError where not installed.
    """
    interval_ns = round(settings.interval_seconds * 1e9)
    if settings.store == "local":
        return LocalWindows(folder, settings.max_rows, interval_ns, max_nodes=settings.max_nodes)
    raise NotImplementedError


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
