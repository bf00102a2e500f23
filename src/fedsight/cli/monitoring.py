"""From settings to what a collector is to monitor."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fedsight.config import PORTS, Settings

if TYPE_CHECKING:
    from fedsight.collector.monitors.plan import MonitorPlan

#: Where a service listens that is bound to every address of this machine.
EVERY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1"}


def monitor_plan(settings: Settings) -> MonitorPlan:
    """Which monitors a collector runs."""
    from fedsight.collector.monitors.plan import MonitorPlan, ScrapeTarget

    services, monitors = settings.services, settings.monitors
    return MonitorPlan(
        interval=monitors.interval_seconds,
        deadline=monitors.deadline_seconds,
        fl_server_url=fl_server_url(settings) if monitors.fl else None,
        policy_engine_url=policy_engine_url(settings) if monitors.policy else None,
        sdn_controller_url=services.sdn_controller_url if monitors.network else None,
        sdn_user=services.sdn_controller_user,
        sdn_password=services.sdn_controller_password,
        events=monitors.events,
        host=monitors.host,
        host_interval=monitors.host_interval_seconds,
        targets=tuple(
            ScrapeTarget(each.name, each.url, each.interval_seconds) for each in monitors.targets
        ),
        target_samples=monitors.target_samples,
    )


def fl_server_url(settings: Settings) -> str:
    """FL_SERVER_URL, else what FL_SERVER_HOST and FL_SERVER_PORT make of it."""
    services, federation = settings.services, settings.federation
    named = {"host", "port"} & federation.model_fields_set
    if "fl_server_url" in services.model_fields_set or not named:
        return services.fl_server_url
    return _url(federation.host, federation.port or PORTS["fl"].number)


def policy_engine_url(settings: Settings) -> str:
    """POLICY_ENGINE_URL, else what POLICY_ENGINE_HOST makes of it."""
    services = settings.services
    if "policy_engine_url" in services.model_fields_set or not services.policy_engine_host:
        return services.policy_engine_url
    return _url(services.policy_engine_host, PORTS["policy"].number)


def _url(host: str, port: int) -> str:
    host = EVERY_ADDRESS.get(host, host)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
