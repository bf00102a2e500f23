"""A whole collector that watches real services: what it was told by the environment, what it
reaches, what it stores, and what it says of a service that was killed."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.collector.monitors.collector import WatchingServer
from tests.collector.monitors.controller import ONE, PRIORITISED, Controller, flow, port
from tests.collector.monitors.foreign_server import ForeignFlServer
from tests.collector.monitors.test_policy_engine import PolicyEngine
from tests.collector.monitors.test_real_peers import (
    RealFlServer,
    fl_server,
    free_port,
    node_exporter,
    rounds_of,
    trained,
)
from tests.collector.monitors.test_watching import kinds

pytestmark = pytest.mark.slow

INTERVAL = 0.2
SERVICES = ("fl_server", "policy_engine", "sdn_controller")
PORT = f"device={ONE},port=2"


def seconds_between(row: dict[str, Any], first: str, second: str) -> float:
    """Seconds from one time of a monitor to another."""
    one, other = (datetime.fromisoformat(row[name]) for name in (first, second))
    return (other - one).total_seconds()


def test_what_the_environment_names_is_watched_and_a_service_that_is_killed_stops_no_other(
    tmp_path: Path,
) -> None:
    policy, network = PolicyEngine(), Controller()
    network.flows = [flow(1, 0, 1, treatment=PRIORITISED)]
    fl_port = free_port()
    with (
        policy.service,
        network.service,
        node_exporter() as exporter,
        fl_server(tmp_path / "theirs", fl_port, collector_port=1) as fl,
    ):
        environment = {
            "COLLECTION_INTERVAL": str(INTERVAL),
            "FL_SERVER_HOST": "127.0.0.1",
            "FL_SERVER_PORT": str(fl_port),
            "POLICY_ENGINE_URL": policy.service.url,
            "SDN_CONTROLLER_URL": network.service.url,
            "FEDSIGHT_MONITORS_HOST": "false",
            "FEDSIGHT_MONITORS_TARGETS": f"site-a={exporter}",
        }
        run = trained(fl.client)
        with WatchingServer(tmp_path / "ours", environment=environment) as ours:
            check_reached(ours, run, fl)
            fl.kill()
            check_killed(ours)
    found = kinds(tmp_path / "ours")
    assert (found.count("SERVICE_REACHED"), found.count("SERVICE_LOST")) == (4, 1)
    assert "SERVICE_ERROR" not in found


def check_reached(ours: WatchingServer, run: str, fl: RealFlServer) -> None:
    """All that is there is told, with when it was reached, and is stored."""
    for name in (*SERVICES, "prometheus:site-a"):
        ours.looked(name, 2)
    rows = {row["name"]: row for row in ours.get("/api/v1/monitors")["monitors"]}
    assert set(rows) == {*SERVICES, "prometheus:site-a"}
    assert {row["status"] for row in rows.values()} == {"healthy"}
    assert {row["interval_seconds"] for row in rows.values()} == {INTERVAL}
    components = ours.get("/api/v1/status")["components"]
    assert [components[name]["status"] for name in SERVICES] == ["finished", "active", "connected"]
    assert all(components[name]["last_update"] for name in SERVICES)
    health = ours.get("/health")
    assert health["status"] == "healthy"
    assert all(health["components"][name]["latency_ms"] > 0 for name in SERVICES)
    assert ours.get("/api/v1/network/metrics")["topology"]["devices"] == 2
    theirs = fl.client.get("/rounds").json()["rounds"]
    assert ours.values("fl_accuracy", f"run={run}") == [row["accuracy"] for row in theirs]
    assert len(rounds_of(ours, run)) == len(theirs)
    assert set(ours.values("network_devices")) == {2.0}
    assert len(ours.values("node_memory_MemTotal_bytes", "job=site-a")) >= 2
    for name in rows:
        assert ours.figure(f'fedsight_collector_monitor_up{{monitor="{name}"}}') == 1.0
        assert 0 < ours.values("service_round_trip_seconds", f"service={name}")[0] < 1


def check_killed(ours: WatchingServer) -> None:
    """The FL server is away since it was last reached; looks at it grow rare, others do not."""
    ours.until(lambda: ours.monitor("fl_server")["failures_in_a_row"] >= 3)
    row = ours.monitor("fl_server")
    assert row["status"] == "failing"
    assert "no FL server answers" in row["last_error"]
    # Three failures: eight intervals, of which at least half is waited.
    assert seconds_between(row, "last_run", "next_run") >= 4 * INTERVAL - 0.05
    status = ours.get("/api/v1/status")["components"]["fl_server"]
    assert status["status"] == "away"
    assert (status["current_round"], status["active_clients"]) == (None, None)
    assert status["last_update"] == row["last_success"]
    health = ours.get("/health")
    assert health["status"] == "degraded"
    assert health["components"]["fl_server"]["status"] == "degraded"
    assert health["components"]["fl_server"]["latency_ms"] is None
    assert ours.figure('fedsight_collector_monitor_up{monitor="fl_server"}') == 0.0
    before = len(ours.values("service_round_trip_seconds", "service=fl_server"))
    for name in ("policy_engine", "sdn_controller", "prometheus:site-a"):
        ours.looked(name, 2)
        assert ours.monitor(name)["failures"] == 0
        assert health["components"].get(name, {"status": "healthy"})["status"] == "healthy"
    assert len(ours.values("service_round_trip_seconds", "service=fl_server")) == before


def test_counters_that_begin_again_and_fields_that_are_no_numbers(tmp_path: Path) -> None:
    fl, network = ForeignFlServer(), Controller()
    fl.train(0.5)
    fl.train(None, loss="n/a", clients="three", training_duration="8")
    network.hosts = None  # type: ignore[assignment]
    network.ports = [port(2, 1000, 5000, 10)]
    with (
        fl.service,
        network.service,
        WatchingServer(tmp_path / "data", fl=fl.service.url, network=network.service.url) as ours,
    ):
        ours.looked("sdn_controller", 2)
        for received, sent, seconds in ((3000, "x", 12), (100, 100, 1), (1100, 300, 2)):
            network.ports = [port(2, received, sent, seconds)]
            ours.looked("sdn_controller", 2)
        ours.looked("fl_server", 2)
        # What was not counted anew is not taken twice.
        assert ours.values("network_port_receive_bytes_total", PORT) == [1000, 3000, 100, 1100]
        assert ours.values("network_port_transmit_bytes_total", PORT) == [5000, 100, 300]
        rates = ours.values("network_port_receive_bytes_per_second", PORT)
        assert len(rates) == 2
        # 2,000 bytes in the one to three seconds that the switch may have counted.
        assert 2000 / 3 <= rates[0] <= 2000
        assert rates[1] >= 1000 / 2
        assert len(ours.values("network_port_transmit_bytes_per_second", PORT)) == 1
        assert ours.values("network_hosts") == []
        assert ours.get("/api/v1/network/metrics")["topology"]["hosts"] is None
        (run,) = ours.get("/api/v1/runs")["runs"]
        first, second = rounds_of(ours, run["id"])
        assert (first["accuracy"], first["loss"], first["participants"]) == (0.5, 0.5, 3)
        assert (second["accuracy"], second["loss"], second["participants"]) == (None, None, None)


def test_a_monitor_is_switched_off_by_the_environment(tmp_path: Path) -> None:
    environment = {"NETWORK_MONITOR_ENABLED": "false", "POLICY_ENGINE_HOST": "127.0.0.1"}
    with WatchingServer(tmp_path / "data", environment=environment) as ours:
        rows = {row["name"]: row for row in ours.get("/api/v1/monitors")["monitors"]}
        assert set(rows) == {"fl_server", "policy_engine", "host"}
        assert rows["policy_engine"]["address"] == "http://127.0.0.1:5000"
        assert ours.get("/health")["components"]["sdn_controller"]["status"] == "unknown"
        assert rows["host"]["interval_seconds"] == 15.0
