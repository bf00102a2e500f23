"""The dashboards of operation: the network, and the collector itself."""

from __future__ import annotations

from grafana_foundation_sdk.models.dashboard import Dashboard

from deploy.grafana.board import Group, board, choice
from deploy.grafana.panels import Line, figure, lines

PORT = "{{device}} port {{port}}"


def each_second(series: str) -> str:
    """How fast a counter rises."""
    return f"rate({series}[$__rate_interval])"


def network() -> Dashboard:
    """What an SDN controller tells."""
    devices = "label_values(network_port_receive_bytes_total, device)"
    return board(
        "fedsight-network",
        "fedsight: network",
        "Switches, ports and traffic, as the SDN controller tells them.",
        (_network_now(), _traffic(), _trouble()),
        choice("device", "Switch", devices, several=True),
    )


def _port(counter: str) -> str:
    return each_second(f'network_port_{counter}_total{{device=~"$device"}}')


def _network_now() -> Group:
    return "Now", [
        figure("Switches", "none", "network_devices", width=6),
        figure("Links", "none", "network_links", width=6),
        figure("Hosts", "none", "network_hosts", width=6),
        figure("Flows", "none", "network_flows", width=6),
    ]


def _traffic() -> Group:
    kinds = Line("network_traffic_bytes_per_second", "{{kind}}")
    return "Traffic", [
        lines("Traffic by kind", "Bps", kinds, width=24),
        lines("Received", "Bps", Line(_port("receive_bytes"), PORT)),
        lines("Sent", "Bps", Line(_port("transmit_bytes"), PORT)),
        lines(
            "Packets",
            "pps",
            Line(f"sum({_port('receive_packets')})", "received"),
            Line(f"sum({_port('transmit_packets')})", "sent"),
        ),
        lines("Flows", "none", Line("network_flows", "flows")),
    ]


def _trouble() -> Group:
    return "Trouble", [
        lines("Packets lost", "percentunit", Line("network_packet_loss_ratio", "loss")),
        lines(
            "Latency",
            "s",
            Line("network_latency_seconds", "latency"),
            about="The collector does not measure it: absent unless somebody sends it.",
        ),
        lines(
            "Packets dropped",
            "pps",
            Line(_port("receive_drops"), f"{PORT} received"),
            Line(_port("transmit_drops"), f"{PORT} sent"),
        ),
        lines(
            "Broken packets",
            "pps",
            Line(_port("receive_errors"), f"{PORT} received"),
            Line(_port("transmit_errors"), f"{PORT} sent"),
        ),
    ]


def collector() -> Dashboard:
    """The collector's own figures, as its `/metrics` tells them, and its machine's."""
    about = "Needs the collector's /metrics in the data source: see docs/grafana.md."
    groups = (_collector_now(), _taking_in(), _answering(), _machine())
    return board("fedsight-collector", "fedsight: collector", about, groups)


def _own(name: str) -> str:
    return f"fedsight_collector_{name}"


def _rises(name: str) -> str:
    return each_second(_own(name))


def _collector_now() -> Group:
    failing = f"count({_own('monitor_up')} == 0) or vector(0)"
    return "Now", [
        figure("Samples a second", "none", f"sum({_rises('ingested_samples_total')})"),
        figure("Waiting to be written", "none", f"sum({_own('ingest_waiting')})"),
        figure("Live streams", "none", f"sum({_own('websocket_connections')})"),
        figure("Memory", "bytes", f"sum({_own('resident_memory_bytes')})"),
        figure("Processor cores in use", "none", f"sum({_rises('cpu_seconds_total')})"),
        figure("Monitors that fail", "none", failing),
    ]


def _taking_in() -> Group:
    return "Taking in", [
        lines(
            "Signals a second",
            "none",
            Line(f"sum({_rises('ingested_samples_total')})", "samples"),
            Line(f"sum({_rises('ingested_events_total')})", "events"),
            Line(f"sum({_rises('ingested_spans_total')})", "spans"),
        ),
        lines(
            "Waiting",
            "none",
            Line(_own("ingest_waiting"), "pieces of work"),
            Line(_own("stream_waiting"), "messages for watchers"),
        ),
        lines(
            "Refused, late or repeated, a second",
            "none",
            Line(f"sum by (reason) ({_rises('refused_total')})", "refused: {{reason}}"),
            Line(f"sum({_rises('late_samples_total')})", "late"),
            Line(f"sum({_rises('repeated_samples_total')})", "repeated"),
            Line(f"sum({_rises('future_samples_total')})", "from the future"),
        ),
        lines(
            "Failures of monitors a second",
            "none",
            Line(f"sum by (monitor) ({_rises('cycle_failures_total')})", "{{monitor}}"),
        ),
    ]


def _answering() -> Group:
    buckets = f"sum by (route, le) ({_rises('request_seconds_bucket')})"
    faults = each_second(_own("requests_total") + '{status=~"5.."}')
    return "Answering", [
        lines(
            "Requests a second",
            "reqps",
            Line(f"sum by (route) ({_rises('requests_total')})", "{{route}}"),
        ),
        lines(
            "95th percentile of an answer",
            "s",
            Line(f"histogram_quantile(0.95, {buckets})", "{{route}}"),
        ),
        lines(
            "Live streams",
            "none",
            Line(_own("websocket_connections"), "open"),
            Line(f"increase({_own('stream_dropped_total')}[5m])", "dropped for being slow"),
        ),
        lines(
            "Faults a second",
            "reqps",
            Line(f"sum by (route, status) ({faults})", "{{route}} {{status}}"),
        ),
    ]


def _machine() -> Group:
    received = each_second("host_network_receive_bytes_total")
    sent = each_second("host_network_transmit_bytes_total")
    memory = "host_memory_used_bytes / host_memory_total_bytes"
    return "Its machine", [
        lines("Processor", "percentunit", Line("host_cpu_utilization_ratio", "{{host}}")),
        lines("Memory in use", "percentunit", Line(memory, "{{host}}")),
        lines("Disk free", "bytes", Line("host_filesystem_free_bytes", "{{host}}")),
        lines(
            "Network",
            "Bps",
            Line(received, "{{interface}} received"),
            Line(sent, "{{interface}} sent"),
        ),
    ]
