"""From settings to how a collector keeps and sends alerts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fedsight.config import Settings
from fedsight.config.alerts import AlertSettings
from fedsight.errors import SettingsError

if TYPE_CHECKING:
    from fedsight.collector.alerts.lifecycle import Holdings
    from fedsight.collector.alerts.options import AlertOptions


def alert_options(settings: Settings) -> AlertOptions:
    """The options of the alerts. Raises SettingsError for a target or a rule that is refused."""
    from fedsight.collector.alerts.options import AlertOptions, Webhook
    from fedsight.collector.alerts.threshold import ThresholdRule

    wanted = settings.alerts
    names = [rule.name for rule in wanted.rules]
    if len(names) != len(set(names)):
        raise SettingsError("alerts.rules must have names of their own")
    return AlertOptions(
        keep=wanted.keep,
        keep_days=wanted.keep_days,
        stale_seconds=wanted.stale_seconds,
        holdings=_holdings(wanted),
        webhooks=tuple(Webhook(hook.url, hook.severity) for hook in wanted.webhooks),
        webhook_secret=_secret(wanted),
        alertmanagers=wanted.alertmanager_urls,
        resend_seconds=wanted.resend_seconds,
        rules=tuple(ThresholdRule(**rule.model_dump()) for rule in wanted.rules),
        rule_seconds=wanted.rule_seconds,
    )


def _holdings(wanted: AlertSettings) -> Holdings:
    from fedsight.collector.alerts.lifecycle import Holding, Holdings

    seconds = {rule.name: rule.for_seconds for rule in wanted.rules} | wanted.for_seconds
    of_type = {
        name: Holding(seconds.get(name, 0.0), wanted.counts.get(name, 1), wanted.clear_seconds)
        for name in seconds.keys() | wanted.counts.keys()
    }
    return Holdings(of_type, Holding(clear_seconds=wanted.clear_seconds))


def _secret(wanted: AlertSettings) -> str:
    file = wanted.webhook_secret_file
    if file is None:
        return wanted.webhook_secret
    if wanted.webhook_secret:
        raise SettingsError("set alerts.webhook_secret or alerts.webhook_secret_file, not both")
    try:
        return file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no text"
        raise SettingsError(f"cannot read alerts.webhook_secret_file {file}: {why}") from None
