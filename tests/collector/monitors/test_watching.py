"""A real collector that watches real servers: what it stores and what it answers."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fedsight.collector.store.schema import FILE_NAME
from tests.collector.monitors.collector import WatchingServer
from tests.collector.monitors.controller import PRIORITISED, Controller, flow, port
from tests.collector.monitors.foreign_server import ForeignFlServer
from tests.collector.monitors.test_policy_engine import PolicyEngine

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def laptop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WatchingServer]:
    """A collector where none of our services is."""
    with WatchingServer(tmp_path_factory.mktemp("laptop") / "data") as running:
        yield running


def stored_events(data: Path) -> list[tuple[Any, ...]]:
    store = sqlite3.connect(data / FILE_NAME)
    try:
        return store.execute("SELECT source, kind, run, round FROM events ORDER BY id").fetchall()
    finally:
        store.close()


def kinds(data: Path) -> list[str]:
    return [kind for _, kind, _, _ in stored_events(data)]


def test_a_laptop_without_services_is_healthy_and_quiet(laptop: WatchingServer) -> None:
    laptop.until(lambda: laptop.monitor("sdn_controller")["failures"] >= 2)
    health = laptop.get("/health")
    assert health["status"] == "healthy"
    for name in ("fl_server", "policy_engine", "sdn_controller"):
        assert health["components"][name] == {"status": "unknown", "latency_ms": None}
        assert laptop.monitor(name)["status"] == "unknown"
        assert laptop.monitor(name)["last_success"] is None
    status = laptop.get("/api/v1/status")
    assert status["system_health"] == "healthy"
    assert status["components"]["policy_engine"] == {
        "status": "unknown",
        "active_policies": None,
        "events_per_minute": None,
        "last_update": None,
    }


def test_its_own_machine_is_measured(laptop: WatchingServer) -> None:
    laptop.looked("host", 2)
    series = laptop.get("/api/v1/series", params={"name": "host_memory_used_bytes"})
    assert len(series["series"]) == 1


def test_of_a_network_that_was_never_there_nothing_is_known(laptop: WatchingServer) -> None:
    assert laptop.get("/api/v1/network/metrics?timeframe=1h") == {
        "timeframe": "1h",
        "topology": {"devices": None, "hosts": None, "links": None, "last_change": None},
        "performance": {
            "average_latency_ms": None,
            "peak_bandwidth_mbps": None,
            "packet_loss_rate": None,
            "flow_table_utilization": None,
        },
        "traffic_analysis": {
            "fl_traffic_percentage": None,
            "control_traffic_percentage": None,
            "background_traffic_percentage": None,
        },
        "qos_metrics": {
            "high_priority_flows": None,
            "medium_priority_flows": None,
            "low_priority_flows": None,
            "priority_violations": None,
        },
    }


@pytest.mark.parametrize(
    "timeframe", ["0h", "1", "h", "1w", "-1h", "31d", "999999d", "1.5h", "1h "]
)
def test_a_timeframe_that_is_none_is_refused(laptop: WatchingServer, timeframe: str) -> None:
    answer = laptop.http.get("/api/v1/network/metrics", params={"timeframe": timeframe})
    assert answer.status_code == 422
    assert answer.json()["error"]["field"] == "timeframe"


def test_all_that_is_there_is_answered_and_what_goes_away_is_said(tmp_path: Path) -> None:
    fl, policy, network = ForeignFlServer(), PolicyEngine(), Controller()
    fl.train(0.5)
    network.flows = [flow(1, 0, 1, treatment=PRIORITISED), flow(2, 0, 1)]
    network.ports = [port(2, 0, 0, 1)]
    data = tmp_path / "data"
    with fl.service, policy.service, network.service:
        addresses = {
            "fl": fl.service.url,
            "policy": policy.service.url,
            "network": network.service.url,
        }
        with WatchingServer(data, **addresses) as watching:
            for name in ("fl_server", "policy_engine", "sdn_controller"):
                watching.looked(name)
            network.flows = [flow(1, 750_000, 3, treatment=PRIORITISED), flow(2, 250_000, 3)]
            network.ports = [port(2, 1_000_000, 0, 3, packetsTxDropped=100)]
            watching.looked("sdn_controller", 2)
            status = watching.get("/api/v1/status")["components"]
            assert status["fl_server"].pop("last_update")
            assert status["fl_server"] == {
                "status": "training",
                "current_round": 1,
                "active_clients": 4,
            }
            assert status["policy_engine"]["active_policies"] == 1
            assert status["sdn_controller"]["managed_devices"] == 2
            assert status["sdn_controller"]["active_flows"] == 2
            check_network(watching.get("/api/v1/network/metrics?timeframe=15m"))
            health = watching.get("/health")
            assert health["status"] == "healthy"
            assert health["components"]["fl_server"]["latency_ms"] > 0
            runs = watching.get("/api/v1/runs")["runs"]
            assert [(run["round"], run["accuracy"]) for run in runs] == [(1, 0.5)]
            network.service.close()
            said = "no SDN controller answers"
            watching.until(lambda: said in str(watching.monitor("sdn_controller")["last_error"]))
            assert watching.get("/health")["status"] == "degraded"
            health = watching.get("/health")["components"]
            assert health["sdn_controller"]["status"] == "degraded"
            assert said in health["sdn_controller"]["error"]
            assert health["fl_server"]["status"] == "healthy"
            assert (
                watching.get("/api/v1/status")["components"]["sdn_controller"]["status"] == "away"
            )
            code, said = watching.end()
    assert (code, said) == (0, "")
    found = kinds(data)
    assert found.count("SERVICE_REACHED") == 3
    assert found.count("SERVICE_LOST") == 1
    assert (found[0], found[-1]) == ("COLLECTOR_STARTED", "COLLECTOR_STOPPED")
    assert ("federated", "ROUND_COMPLETED", runs[0]["id"], 1) in stored_events(data)


def check_network(found: dict[str, Any]) -> None:
    """What the figures above come to."""
    assert found["topology"] == {"devices": 2, "hosts": 1, "links": 2, "last_change": None}
    assert found["qos_metrics"]["high_priority_flows"] == 1
    assert found["qos_metrics"]["low_priority_flows"] == 1
    assert found["qos_metrics"]["priority_violations"] is None
    traffic = found["traffic_analysis"]
    assert traffic["fl_traffic_percentage"] == pytest.approx(75.0)
    assert traffic["background_traffic_percentage"] == pytest.approx(25.0)
    assert traffic["control_traffic_percentage"] == 0.0
    performance = found["performance"]
    # A megabyte within the one to three seconds that the switch may have counted.
    assert 2.6 < performance["peak_bandwidth_mbps"] < 8.1
    assert performance["packet_loss_rate"] == pytest.approx(100 / 10_100)
    assert performance["average_latency_ms"] is None


def test_a_collector_that_was_killed_takes_nothing_twice(tmp_path: Path) -> None:
    fl = ForeignFlServer()
    data = tmp_path / "data"
    with fl.service:
        for accuracy in (0.5, 0.6):
            fl.train(accuracy)
        first = WatchingServer(data, fl=fl.service.url)
        first.looked("fl_server")
        first.kill()
        fl.train(0.7)
        with WatchingServer(data, fl=fl.service.url) as again:
            again.looked("fl_server", 2)
            (run,) = again.get("/api/v1/runs")["runs"]
            rounds = again.get(f"/api/v1/runs/{run['id']}/rounds")["rounds"]
            assert [row["accuracy"] for row in rounds] == [0.5, 0.6, 0.7]
            started = again.get("/api/v1/status")["signals"]
    assert started["runs"] == 1
    found = [(kind, number) for _, kind, run_id, number in stored_events(data) if run_id]
    assert found == [
        (kind, number)
        for number in (1, 2, 3)
        for kind in ("ROUND_STARTED", "AGGREGATION_COMPLETED", "ROUND_COMPLETED")
    ]
    assert kinds(data).count("COLLECTOR_STARTED") == 2
    assert "CONFIGURATION_CHANGED" not in kinds(data)


def test_a_start_with_other_settings_says_which(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with WatchingServer(data):
        pass
    with WatchingServer(data, monitors="host = false") as again:
        assert [row["name"] for row in again.get("/api/v1/monitors")["monitors"]] == [
            "fl_server",
            "policy_engine",
            "sdn_controller",
        ]
    found = kinds(data)
    assert found == [
        "COLLECTOR_STARTED",
        "COLLECTOR_STOPPED",
        "COLLECTOR_STARTED",
        "CONFIGURATION_CHANGED",
        "COLLECTOR_STOPPED",
    ]


def test_each_monitor_can_be_switched_off(tmp_path: Path) -> None:
    off = "\n".join(f"{name} = false" for name in ("fl", "policy", "network", "events", "host"))
    with WatchingServer(tmp_path / "data", monitors=off) as watching:
        assert watching.get("/api/v1/monitors") == {"monitors": []}
        assert watching.get("/health")["components"]["fl_server"]["status"] == "unknown"
    assert stored_events(tmp_path / "data") == []
