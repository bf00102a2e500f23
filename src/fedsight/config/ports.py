"""Every port of the house, its own and its guests': none is written anywhere else."""

from __future__ import annotations

from typing import NamedTuple

LOOPBACK = "127.0.0.1"


class Port(NamedTuple):
    """One line of the port table."""

    number: int
    what: str


#: Every port of the house, its own and its guests': none is written anywhere else.
PORTS = {
    "collector": Port(8083, "collector and dashboard"),
    "fl": Port(8081, "FL HTTP API and Prometheus metrics"),
    "policy": Port(5000, "policy engine"),
    "sdn": Port(8181, "SDN controller, REST"),
    "openflow": Port(6653, "SDN controller, OpenFlow"),
    "otlp_grpc": Port(4317, "OTLP over gRPC"),
    "otlp_http": Port(4318, "OTLP over HTTP"),
    "exporter": Port(8080, "telemetry exporter"),
    "agent": Port(8085, "telemetry agent's own figures"),
    "forecast": Port(8084, "forecasts"),
    "superlink": Port(8000, "Flower SuperLink"),
    "supernode": Port(9094, "Flower SuperNode, and up"),
    "dataclay": Port(8676, "dataClay proxy"),
    "dataclay_metadata": Port(16587, "dataClay metadata service"),
    "dataclay_backend": Port(6867, "dataClay backend"),
    "influxdb": Port(8086, "InfluxDB"),
    "redis": Port(6379, "Redis"),
    "mlflow": Port(5050, "MLflow (5000 is the policy engine's)"),
    "prometheus": Port(9090, "Prometheus"),
    "grafana": Port(3000, "Grafana"),
}


FL_SERVER_URL = f"http://{LOOPBACK}:{PORTS['fl'].number}"
POLICY_ENGINE_URL = f"http://{LOOPBACK}:{PORTS['policy'].number}"
SDN_CONTROLLER_URL = f"http://{LOOPBACK}:{PORTS['sdn'].number}"
FORECAST_URL = f"http://{LOOPBACK}:{PORTS['forecast'].number}"
