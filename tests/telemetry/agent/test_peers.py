"""Parts of others: targets of `prometheus_client`, and rotel as the receiver."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc
import pytest
import rotel
from prometheus_client import CollectorRegistry, Counter, Histogram, Summary, start_http_server

from tests.telemetry.agent.agents import agent
from tests.telemetry.agent.receiver import Receiver, receiving
from tests.telemetry.agent.target import Target, exposed
from tests.telemetry.bridge.bridges import free_port

pytestmark = pytest.mark.slow

SECONDS = 20


@contextmanager
def forwarding(to: str, folder: Path) -> Iterator[str]:
    """A rotel that forwards over gRPC; its address."""
    program, port = Path(rotel.__file__).with_name("rotel-agent"), free_port()
    command = [str(program), "start", "--exporter", "otlp", "--otlp-exporter-protocol", "grpc"]
    command += ["--otlp-exporter-endpoint", to, "--batch-timeout", "100ms"]
    command += ["--otlp-grpc-endpoint", f"127.0.0.1:{port}"]
    command += ["--otlp-http-endpoint", f"127.0.0.1:{free_port()}"]
    with (folder / "rotel.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder)
        try:
            with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
                grpc.channel_ready_future(channel).result(SECONDS)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(SECONDS)


def test_rotel_takes_what_the_agent_sends_to_the_last_point(tmp_path: Path) -> None:
    receiver, target = Receiver(), Target()
    with (
        receiving(receiver) as behind,
        forwarding(behind, tmp_path) as way,
        exposed(target) as page,
        agent(tmp_path / "data", page, way) as running,
    ):
        receiver.wait(lambda: len(receiver.rows()) >= 10)
        assert running.interrupt() == 0
        sent = target.scrapes
        deadline = time.monotonic() + SECONDS
        while len(receiver.rows()) < 2 * sent and time.monotonic() < deadline:
            time.sleep(0.05)
    loads = sorted(row[5] for row in receiver.rows() if row[2] == "load")
    assert loads == [float(each) for each in range(1, sent + 1)]


def test_open_metrics_of_the_python_client_arrives_whole(tmp_path: Path) -> None:
    registry = CollectorRegistry()
    Counter("jobs", "Jobs.", ["queue"], registry=registry).labels("a").inc(3)
    Histogram("wait_seconds", "Waits.", buckets=(0.1, 1.0), registry=registry).observe(0.5)
    Summary("size_bytes", "Sizes.", registry=registry).observe(7)
    port = free_port()
    server, thread = start_http_server(port, addr="127.0.0.1", registry=registry)
    receiver, began = Receiver(), time.time()
    try:
        page = f"http://127.0.0.1:{port}/metrics"
        with receiving(receiver) as bridge, agent(tmp_path / "data", page, bridge):
            receiver.wait(lambda: len(receiver.requests) >= 1)
    finally:
        ended = threading.Thread(target=server.shutdown)
        ended.start()
        ended.join(SECONDS)
        thread.join(SECONDS)
        server.server_close()
    (of_scope,) = receiver.requests[0].resource_metrics[0].scope_metrics
    found = {metric.name: metric for metric in of_scope.metrics}
    (jobs,) = found["jobs_total"].sum.data_points
    assert jobs.as_double == 3.0
    assert 0 < began - jobs.start_time_unix_nano / 1e9 < 60, "what the target says (_created)"
    (waits,) = found["wait_seconds"].histogram.data_points
    assert list(waits.bucket_counts) == [0, 1, 0]
    (sizes,) = found["size_bytes"].summary.data_points
    assert (sizes.count, sizes.sum) == (1, 7.0)
