"""The OpenTelemetry Collector's configuration parses, and does what the agent does."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from fedsight.config import PORTS, AgentSettings
from fedsight.config.telemetry import BRIDGE_URL, EXPORTER_URL, SCAPHANDRE
from fedsight.telemetry.agent.otlp import Origin

FILE = Path(__file__).parents[2] / "deploy" / "otel" / "collector.yaml"
DEFAULT = re.compile(r"\$\{env:\w+:-([^}]*)\}")


#: What each part takes, of its own documentation (contrib 0.130): a key that is none of these ends
#: the Collector at its start.
KEYS = {
    "extensions.file_storage": {"directory", "create_directory", "fsync", "timeout", "compaction"},
    "receivers.prometheus": {"config", "trim_metric_suffixes", "target_allocator"},
    "receivers.prometheus.config": {"scrape_configs", "global"},
    "processors.resource": {"attributes"},
    "exporters.otlp": {
        "endpoint",
        "tls",
        "headers",
        "compression",
        "timeout",
        "retry_on_failure",
        "sending_queue",
    },
    "exporters.otlp.tls": {"insecure", "ca_file", "cert_file", "key_file", "server_name_override"},
    "exporters.otlp.retry_on_failure": {
        "enabled",
        "initial_interval",
        "max_interval",
        "max_elapsed_time",
        "multiplier",
        "randomization_factor",
    },
    "exporters.otlp.sending_queue": {
        "enabled",
        "storage",
        "num_consumers",
        "queue_size",
        "batch",
        "sizer",
        "block_on_overflow",
        "wait_for_result",
    },
    "exporters.otlp.sending_queue.batch": {"flush_timeout", "min_size", "max_size", "sizer"},
    "service": {"extensions", "pipelines", "telemetry"},
    "service.pipelines.metrics": {"receivers", "processors", "exporters"},
}
DURATION = re.compile(r"\d+(ms|s|m|h)")


@pytest.fixture(scope="module")
def parts() -> dict[str, Any]:
    """The file with its variables at their defaults, as the Collector takes them."""
    found: dict[str, Any] = yaml.safe_load(DEFAULT.sub(r"\1", FILE.read_text()))
    return found


def test_every_part_of_a_pipeline_is_there(parts: dict[str, Any]) -> None:
    service = parts["service"]
    assert set(service["extensions"]) == set(parts["extensions"])
    for pipeline in service["pipelines"].values():
        for kind, names in pipeline.items():
            assert set(names) == set(parts[kind])


def test_every_key_is_one_that_its_part_takes(parts: dict[str, Any]) -> None:
    assert set(parts) == {"extensions", "receivers", "processors", "exporters", "service"}
    named = {f"{kind}.{name}" for kind in parts if kind != "service" for name in parts[kind]}
    assert named <= set(KEYS)
    for place, known in KEYS.items():
        found: Any = parts
        for step in place.split("."):
            found = found[step]
        assert set(found) <= known, place


def test_durations_are_of_the_collectors_kind(parts: dict[str, Any]) -> None:
    otlp = parts["exporters"]["otlp"]
    (job,) = parts["receivers"]["prometheus"]["config"]["scrape_configs"]
    said = [otlp["timeout"], otlp["sending_queue"]["batch"]["flush_timeout"]]
    said += [value for key, value in otlp["retry_on_failure"].items() if key != "enabled"]
    said += [job["scrape_interval"], job["scrape_timeout"]]
    assert all(DURATION.fullmatch(one) for one in said), said


def test_it_scrapes_the_exporter_as_often_as_the_agent(parts: dict[str, Any]) -> None:
    (job,) = parts["receivers"]["prometheus"]["config"]["scrape_configs"]
    (static,) = job["static_configs"]
    agent = AgentSettings()
    assert job["job_name"] == SCAPHANDRE == agent.targets[0].name
    assert job["scrape_interval"] == f"{agent.interval_seconds:g}s"
    assert job["scrape_timeout"] == f"{agent.scrape_timeout_seconds * 1000:g}ms"
    assert [f"http://{at}{job['metrics_path']}" for at in static["targets"]] == [EXPORTER_URL]


def test_the_resource_has_the_agents_attributes(parts: dict[str, Any]) -> None:
    """The receiver itself sets service.name, from the job's name."""
    added = {each["key"] for each in parts["processors"]["resource"]["attributes"]}
    assert added | {"service.name"} == set(Origin("n", "h", "s", "1", "a").attributes)


def test_it_sends_and_keeps_what_it_cannot_send(parts: dict[str, Any]) -> None:
    otlp, agent = parts["exporters"]["otlp"], AgentSettings()
    assert f"http://{otlp['endpoint']}" == BRIDGE_URL
    assert otlp["endpoint"].endswith(str(PORTS["otlp_grpc"].number))
    assert otlp["tls"]["insecure"] is True
    assert otlp["compression"] == "gzip"
    assert otlp["headers"] == {"authorization": "Bearer ${env:FEDSIGHT_TOKEN}"}
    assert otlp["timeout"] == f"{agent.send_timeout_seconds:g}s"
    queue = otlp["sending_queue"]
    assert queue["storage"] in parts["extensions"]
    assert queue["batch"]["flush_timeout"] == f"{agent.batch_seconds:g}s"
    assert otlp["retry_on_failure"]["max_elapsed_time"] == "0s"
