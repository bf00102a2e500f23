"""From settings to what a collector monitors: the environment's names, and what wins."""

from __future__ import annotations

from pathlib import Path

import pytest

from fedsight.cli.monitoring import fl_server_url, monitor_plan, policy_engine_url
from fedsight.collector.monitors.plan import MonitorPlan, ScrapeTarget
from fedsight.config import Settings, load
from fedsight.errors import SettingsError

VARIABLES = (
    "FEDSIGHT_CONFIG",
    "COLLECTION_INTERVAL",
    "NETWORK_MONITOR_ENABLED",
    "FL_SERVER_URL",
    "FL_SERVER_HOST",
    "FL_SERVER_PORT",
    "POLICY_ENGINE_URL",
    "POLICY_ENGINE_HOST",
    "SDN_CONTROLLER_URL",
    "FEDSIGHT_MONITORS_TARGETS",
)


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing is set, and no file lies about."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


def settings(text: str = "") -> Settings:
    """The settings of a file."""
    path = Path("some.toml")
    path.write_text(text)
    return load(path)


def test_by_default_all_is_watched_on_loopback() -> None:
    plan = monitor_plan(settings())
    assert plan == MonitorPlan(
        fl_server_url="http://127.0.0.1:8081",
        policy_engine_url="http://127.0.0.1:5000",
        sdn_controller_url="http://127.0.0.1:8181",
        events=True,
        host=True,
    )


def test_each_can_be_switched_off() -> None:
    names = ("fl", "policy", "network", "events", "host")
    plan = monitor_plan(settings("[monitors]\n" + "".join(f"{name} = false\n" for name in names)))
    assert plan == MonitorPlan()


def test_the_environment_names_what_is_promised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLLECTION_INTERVAL", "2.5")
    monkeypatch.setenv("NETWORK_MONITOR_ENABLED", "false")
    monkeypatch.setenv("FL_SERVER_URL", "http://fl-server:8081")
    monkeypatch.setenv("POLICY_ENGINE_URL", "http://policy-engine:5000")
    monkeypatch.setenv("FEDSIGHT_MONITORS_TARGETS", "a=http://h:9100/metrics, b=http://i:1")
    plan = monitor_plan(settings())
    assert plan.interval == 2.5
    assert plan.sdn_controller_url is None
    assert plan.fl_server_url == "http://fl-server:8081"
    assert plan.policy_engine_url == "http://policy-engine:5000"
    assert plan.targets == (
        ScrapeTarget("a", "http://h:9100/metrics"),
        ScrapeTarget("b", "http://i:1"),
    )


def test_a_host_and_a_port_stand_for_an_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FL_SERVER_HOST", "fl-server")
    assert fl_server_url(settings()) == "http://fl-server:8081"
    monkeypatch.setenv("FL_SERVER_PORT", "9081")
    assert fl_server_url(settings()) == "http://fl-server:9081"
    monkeypatch.setenv("FL_SERVER_HOST", "0.0.0.0")
    assert fl_server_url(settings()) == "http://127.0.0.1:9081"
    monkeypatch.setenv("FL_SERVER_URL", "http://other:1")
    assert fl_server_url(settings()) == "http://other:1"
    monkeypatch.setenv("POLICY_ENGINE_HOST", "::1")
    with pytest.raises(SettingsError, match="POLICY_ENGINE_HOST"):
        settings()
    monkeypatch.setenv("POLICY_ENGINE_HOST", "policy-engine")
    assert policy_engine_url(settings()) == "http://policy-engine:5000"


def test_targets_stand_in_tables_of_their_own() -> None:
    tables = """
[[monitors.targets]]
name = "site-a"
url = "http://10.0.1.4:9100/metrics"

[[monitors.targets]]
name = "site-b"
url = "http://10.0.2.4:9100/metrics"
interval_seconds = 30
"""
    assert monitor_plan(settings(tables)).targets == (
        ScrapeTarget("site-a", "http://10.0.1.4:9100/metrics"),
        ScrapeTarget("site-b", "http://10.0.2.4:9100/metrics", 30.0),
    )


@pytest.mark.parametrize(
    ("table", "named"),
    [
        ("interval_seconds = 0", "monitors.interval_seconds"),
        ("deadline_seconds = -1", "monitors.deadline_seconds"),
        ("network = 5", "monitors.network"),
        ('targets = [{name = "a b", url = "http://h"}]', "monitors.targets"),
        ('targets = [{name = "a", url = "file:///etc/passwd"}]', "monitors.targets"),
        ('targets = [{name = "a", url = "http://user:pw@h/"}]', "monitors.targets"),
        ('targets = [{name = "a", url = "http://h", speed = 1}]', "monitors.targets"),
        ("intervals = 3", "monitors.intervals"),
    ],
)
def test_a_wrong_one_is_named(table: str, named: str) -> None:
    with pytest.raises(SettingsError, match=named):
        settings(f"[monitors]\n{table}\n")


def test_two_targets_of_one_name_are_refused() -> None:
    twice = ScrapeTarget("a", "http://h"), ScrapeTarget("a", "http://i")
    with pytest.raises(SettingsError, match="two targets have the name 'a'"):
        MonitorPlan(targets=twice)


def test_a_plan_checks_what_it_is_told() -> None:
    with pytest.raises(SettingsError, match="interval"):
        MonitorPlan(interval=0)
    with pytest.raises(SettingsError, match="64 targets"):
        MonitorPlan(targets=tuple(ScrapeTarget(f"t{at}", "http://h") for at in range(65)))
    with pytest.raises(SettingsError, match="name"):
        ScrapeTarget("a b", "http://h")
    with pytest.raises(SettingsError, match="url of target a"):
        ScrapeTarget("a", "ftp://h")
