"""The network over a stretch of time: what `GET /api/v1/network/metrics` answers. Pure.

What nobody measured is None: the controller tells no latency, no size of its flow tables, and no
broken priorities. Latency and utilisation are taken from whoever measures them under the names of
`docs/metrics.md`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from msgspec import Struct

from fedsight.collector.monitors.network import NetworkState
from fedsight.collector.store.contract import (
    NAME_LABEL,
    Aggregation,
    Matcher,
    Points,
    SampleSearch,
    Selection,
)
from fedsight.door.refusal import BadFieldError
from fedsight.door.times import rfc3339_or_none

SECOND = 1_000_000_000
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
TIMEFRAME = re.compile(r"([1-9][0-9]{0,5})([smhd])")
LONGEST_SECONDS = 30 * 86_400
#: One window over all of the selection.
ALL = 2**62

LATENCY = "network_latency_seconds"
LOSS = "network_packet_loss_ratio"
TABLES = "network_flow_table_utilization_ratio"
TRAFFIC = "network_traffic_bytes_per_second"
BANDWIDTH = "network_port_(receive|transmit)_bytes_per_second"


class Topology(Struct, frozen=True):
    """What the network is made of now."""

    devices: int | None = None
    hosts: int | None = None
    links: int | None = None
    last_change: str | None = None


class Performance(Struct, frozen=True):
    """How well it carried over the timeframe; packets lost and tables filled are 0 to 1."""

    average_latency_ms: float | None
    peak_bandwidth_mbps: float | None
    packet_loss_rate: float | None
    flow_table_utilization: float | None


class TrafficAnalysis(Struct, frozen=True):
    """Whose bytes the switches passed, in percent."""

    fl_traffic_percentage: float | None
    control_traffic_percentage: float | None
    background_traffic_percentage: float | None


class QosMetrics(Struct, frozen=True):
    """Flows by their priority now, control flows left out."""

    high_priority_flows: int | None
    medium_priority_flows: int | None
    low_priority_flows: int | None
    priority_violations: int | None = None


class NetworkMetrics(Struct, frozen=True):
    """The network over a timeframe."""

    timeframe: str
    topology: Topology
    performance: Performance
    traffic_analysis: TrafficAnalysis
    qos_metrics: QosMetrics


class NetworkFigures(Struct, frozen=True):
    """What the store says of a stretch of time."""

    performance: Performance
    traffic_analysis: TrafficAnalysis


def seconds_of(timeframe: str) -> int:
    """The seconds of a timeframe such as `90s`, `15m`, `1h` or `7d`; raises BadFieldError."""
    found = TIMEFRAME.fullmatch(timeframe)
    seconds = int(found[1]) * UNITS[found[2]] if found else 0
    if not 0 < seconds <= LONGEST_SECONDS:
        message = f"must be a time such as 90s, 15m, 1h or 7d, at most 30d, got {timeframe!r}"
        raise BadFieldError("timeframe", message)
    return seconds


def network_metrics(
    timeframe: str, state: NetworkState | None, figures: NetworkFigures
) -> NetworkMetrics:
    """The answer, from the newest state (None: the controller is not reached) and the store."""
    topology, flows = Topology(), None
    if state is not None:
        changed = rfc3339_or_none(state.last_change)
        topology = Topology(state.devices, state.hosts, state.links, changed)
        flows = state.flows_by_priority
    by: Mapping[str, int] = flows or {}
    qos = QosMetrics(by.get("high"), by.get("medium"), by.get("low"))
    return NetworkMetrics(timeframe, topology, figures.performance, figures.traffic_analysis, qos)


def network_figures(samples: SampleSearch, start: int, end: int) -> NetworkFigures:
    """What was measured from `start` up to `end` (Unix nanoseconds)."""

    def windows(name: str, aggregation: Aggregation) -> list[Points]:
        chosen = Selection((Matcher(NAME_LABEL, "=~", name),), start, end)
        return samples.windows(chosen, ALL, aggregation)

    def mean(name: str) -> float | None:
        total, count = _total(windows(name, "sum")), _total(windows(name, "count"))
        return total / count if count else None

    latency = mean(LATENCY)
    peaks = [float(points.value.max()) for points in windows(BANDWIDTH, "max") if len(points.value)]
    performance = Performance(
        None if latency is None else latency * 1000,
        max(peaks) * 8 / 1e6 if peaks else None,
        mean(LOSS),
        mean(TABLES),
    )
    return NetworkFigures(performance, traffic_analysis(_by_kind(windows(TRAFFIC, "sum"))))


def traffic_analysis(by_kind: Mapping[str, float]) -> TrafficAnalysis:
    """Percentages of what is known; None for all where nothing was passed."""
    total = sum(by_kind.values())

    def share(kind: str) -> float | None:
        return 100 * by_kind[kind] / total if total and kind in by_kind else None

    return TrafficAnalysis(share("fl"), share("control"), share("background"))


def _total(found: list[Points]) -> float:
    return sum(float(points.value.sum()) for points in found)


def _by_kind(found: list[Points]) -> dict[str, float]:
    by_kind: dict[str, float] = {}
    for points in found:
        kind = points.series.labels.get("kind")
        if kind is not None:
            by_kind[kind] = by_kind.get(kind, 0.0) + float(points.value.sum())
    return by_kind
