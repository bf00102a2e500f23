"""The network over a stretch of time, from samples whose figures are known."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedsight.collector.monitors.network import NetworkState
from fedsight.collector.monitors.network_metrics import (
    NetworkFigures,
    Performance,
    TrafficAnalysis,
    network_figures,
    network_metrics,
    seconds_of,
    traffic_analysis,
)
from fedsight.collector.store.fake_samples import MemorySamples
from fedsight.door.refusal import BadFieldError
from fedsight.signals import Sample

SECOND = 1_000_000_000
NOTHING = Performance(None, None, None, None)
NO_TRAFFIC = TrafficAnalysis(None, None, None)


def at(second: int, name: str, value: float, **labels: str) -> Sample:
    return Sample(second * SECOND, name, value, None, labels)


KNOWN = [
    at(10, "network_latency_seconds", 0.010, link="a"),
    at(20, "network_latency_seconds", 0.030, link="a"),
    at(20, "network_latency_seconds", 0.050, link="b"),
    at(90, "network_latency_seconds", 9.0, link="b"),
    at(10, "network_port_receive_bytes_per_second", 125_000.0, device="d", port="1"),
    at(20, "network_port_transmit_bytes_per_second", 1_250_000.0, device="d", port="1"),
    at(10, "network_packet_loss_ratio", 0.0),
    at(20, "network_packet_loss_ratio", 0.01),
    at(10, "network_traffic_bytes_per_second", 60.0, kind="fl"),
    at(20, "network_traffic_bytes_per_second", 90.0, kind="fl"),
    at(20, "network_traffic_bytes_per_second", 50.0, kind="background"),
    at(20, "network_traffic_bytes_per_second", 0.0, kind="control"),
]


def test_what_was_measured_is_summed_up() -> None:
    found = network_figures(MemorySamples(KNOWN), 0, 60 * SECOND)
    assert found.performance.average_latency_ms == pytest.approx(30.0)
    assert found.performance.peak_bandwidth_mbps == pytest.approx(10.0)
    assert found.performance.packet_loss_rate == pytest.approx(0.005)
    assert found.performance.flow_table_utilization is None
    assert found.traffic_analysis == TrafficAnalysis(75.0, 0.0, 25.0)


def test_what_nobody_measured_is_not_known() -> None:
    assert network_figures(MemorySamples([]), 0, SECOND) == NetworkFigures(NOTHING, NO_TRAFFIC)
    assert traffic_analysis({"fl": 0.0, "control": 0.0, "background": 0.0}) == NO_TRAFFIC


def test_topology_and_priorities_are_those_of_now() -> None:
    state = NetworkState("connected", 5, 8, 12, 100, 0, None, {"high": 4, "medium": 2, "low": 9})
    found = network_metrics("1h", state, NetworkFigures(NOTHING, NO_TRAFFIC))
    assert (found.topology.devices, found.topology.hosts, found.topology.links) == (5, 12, 8)
    assert found.topology.last_change == "1970-01-01T00:00:00.000000Z"
    assert found.qos_metrics.high_priority_flows == 4
    assert found.qos_metrics.priority_violations is None


def test_without_a_controller_they_are_not_known() -> None:
    found = network_metrics("1h", None, NetworkFigures(NOTHING, NO_TRAFFIC))
    assert found.topology.devices is None
    assert found.qos_metrics.low_priority_flows is None


@pytest.mark.parametrize(
    ("timeframe", "seconds"), [("90s", 90), ("15m", 900), ("1h", 3600), ("30d", 2_592_000)]
)
def test_a_timeframe_has_so_many_seconds(timeframe: str, seconds: int) -> None:
    assert seconds_of(timeframe) == seconds


@given(st.text(max_size=12))
def test_anything_else_is_refused(timeframe: str) -> None:
    with contextlib.suppress(BadFieldError):
        assert 0 < seconds_of(timeframe) <= 2_592_000
