"""The settings of anomaly detection as the collector takes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fedsight.config import Settings

if TYPE_CHECKING:
    from fedsight.collector.anomalies.options import AnomalyOptions


def anomaly_options(settings: Settings) -> AnomalyOptions:
    """Raises SettingsError for a metric that cannot be watched."""
    from fedsight.collector.anomalies.options import METRICS, AnomalyOptions

    asked = settings.anomalies
    return AnomalyOptions(
        enabled=asked.enabled,
        metrics=METRICS if asked.metrics is None else asked.metrics,
        sensitivity=asked.sensitivity,
        series=asked.series,
        memory=asked.memory,
        history_hours=asked.history_hours,
    )
