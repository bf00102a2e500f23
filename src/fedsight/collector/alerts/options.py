"""How alerts are kept and whom they are sent to."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from fedsight.collector.alerts.finding import Severity
from fedsight.collector.alerts.lifecycle import Holdings
from fedsight.collector.alerts.threshold import ThresholdRule
from fedsight.door.addresses import check_url
from fedsight.errors import FedsightError, SettingsError

SEVERITIES: tuple[Severity, ...] = ("info", "warning", "critical")


@dataclass(frozen=True, slots=True)
class Webhook:
    """An address that is sent every alert of at least this severity.

    The address may hold a secret, as those of chat services do: only `place` is ever told.
    """

    url: str = field(repr=False)
    severity: Severity = "info"

    @property
    def target(self) -> str:
        """What stands for it where messages wait."""
        return hashlib.sha256(self.url.encode()).hexdigest()[:16]

    @property
    def place(self) -> str:
        """Its scheme, host and port."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"

    def takes(self, severity: str) -> bool:
        """Whether it is sent alerts of a severity."""
        return SEVERITIES.index(severity) >= SEVERITIES.index(self.severity)


@dataclass(frozen=True, slots=True)
class AlertOptions:
    """Settings of the alerts.

    `keep` resolved alerts are kept, for `keep_days`. An alert at which nobody looked for
    `stale_seconds` is resolved. What an Alertmanager is told is told again every `resend_seconds`.
    A failed message to a webhook is tried again after `retry_seconds`, then twice that, until
    `give_up_seconds` after it was made; whoever is sent one has `answer_seconds` to answer in all.
    Raises SettingsError for a target that is refused.
    """

    keep: int = 10_000
    keep_days: float = 90.0
    stale_seconds: float = 3600.0
    holdings: Holdings = field(default_factory=Holdings)
    webhooks: tuple[Webhook, ...] = ()
    webhook_secret: str = field(default="", repr=False)
    alertmanagers: tuple[str, ...] = ()
    resend_seconds: float = 30.0
    retry_seconds: float = 5.0
    give_up_seconds: float = 86_400.0
    answer_seconds: float = 30.0
    rules: tuple[ThresholdRule, ...] = ()
    rule_seconds: float = 15.0

    def __post_init__(self) -> None:
        named = [("alerts.webhooks", webhook.url) for webhook in self.webhooks]
        named += [("alerts.alertmanager_urls", url) for url in self.alertmanagers]
        for key, url in named:
            try:
                check_url(url)
            except FedsightError as error:
                raise SettingsError(f"{key}: {error}") from None
