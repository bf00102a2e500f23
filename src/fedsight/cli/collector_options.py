"""From settings, and the flags over them, to how a collector is to run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from fedsight.cli.alert_options import alert_options
from fedsight.cli.anomaly_options import anomaly_options
from fedsight.cli.backend_options import backend_options
from fedsight.cli.elastic import search_server
from fedsight.cli.ingest_options import ingest_options
from fedsight.cli.monitoring import fl_server_url, monitor_plan, policy_engine_url
from fedsight.cli.store_options import upkeeping
from fedsight.config import Settings

if TYPE_CHECKING:
    from fedsight.collector.options import CollectorOptions


def collector_options(
    settings: Settings,
    *,
    host: str | None = None,
    port: int | None = None,
    tls_cert: Path | None = None,
    tls_key: Path | None = None,
) -> CollectorOptions:
    """The options of `fedsight serve collector`; raises SettingsError."""
    from fedsight.collector.options import CollectorOptions
    from fedsight.door.tls import Tls

    own = settings.collector
    return CollectorOptions(
        data=settings.data,
        host=own.host if host is None else host,
        port=own.port if port is None else port,
        hosts=own.hosts,
        **ingest_options(settings),
        journal_keep_days=settings.journal.keep_days,
        fl_server_url=fl_server_url(settings),
        forecast_url=settings.services.forecast_url,
        policy_url=policy_engine_url(settings),
        policy_token=policy_token(settings),
        policy_cert=settings.policy.tls_cert,
        upkeep=upkeeping(settings),
        monitors=monitor_plan(settings),
        alerts=alert_options(settings),
        tls=Tls.of(tls_cert or own.tls_cert, tls_key or own.tls_key),
        anomalies=anomaly_options(settings),
        export_keep_days=settings.export.retention_days,
        export_bytes=settings.export.max_bytes,
        elasticsearch=search_server(settings),
        backends=backend_options(settings),
    )


def policy_token(settings: Settings) -> str | None:
    """What the policy service is shown with each request of a page, None: what it needs of us.

    Raises SettingsError where its file holds no token.
    """
    from fedsight.door.token import token_from

    file = settings.services.policy_token_file
    return None if file is None else token_from(file, "services.policy_token_file")
