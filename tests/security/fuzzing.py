"""Schemathesis over the whole of a running collector's /openapi.json."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import httpx

from fedsight.door.times import now_ns
from fedsight.signals import Sample, batch
from tests.collector.server import Server
from tests.collector.shipments import whole_run

PROGRAM = Path(sys.executable).with_name("schemathesis")
#: What an answer is held to.
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
)
RULE = {"name": "deep", "metric": "queue_depth", "above": 1.0, "window_seconds": 3600.0}
#: Nothing is to be refused for its number.
OPEN = {
    "ingest_rate": 1e6,
    "ingest_burst": 1e6,
    "refused_rate": 1e6,
    "refused_burst": 1e6,
    "alerts": {"rules": [RULE], "rule_seconds": 1.0},
}


class Fuzzed(NamedTuple):
    """How it ended, and whether the collector still is well."""

    code: int
    said: str
    healthy: bool


def fuzz(data: Path, examples: int, seed: int | None = None, timeout: float = 1800.0) -> Fuzzed:
    """At most `examples` for each operation, and as many scenarios of several steps."""
    with Server(data, **OPEN) as server:
        server.send("journal-1", whole_run("r-1", ["a", "b"]))
        server.send("journal-2", [batch([Sample(now_ns(), "queue_depth", 5.0)])])
        wait_for_alert(server.http)
        command = [PROGRAM, "run", f"{server.url}/openapi.json", "--no-color"]
        command += ["-H", f"Authorization: Bearer {server.token}", "-c", ",".join(CHECKS)]
        command += ["--phases", "coverage,fuzzing,stateful", "-n", str(examples)]
        command += ["--suppress-health-check", "all", "--generation-database", "none"]
        command += [] if seed is None else ["--seed", str(seed)]
        done = subprocess.run(
            command, cwd=data, capture_output=True, text=True, timeout=timeout, check=False
        )
        healthy = server.http.get("/health").json()["components"]["store"]["status"] == "healthy"
        code, said = server.end()
    assert code == 0, said
    return Fuzzed(done.returncode, done.stdout + done.stderr, healthy)


def wait_for_alert(client: httpx.Client) -> None:
    """Until there is an alert that stateful tests can ask for."""
    until = time.monotonic() + 30
    while client.get("/api/v1/alerts").json()["total"] == 0:
        assert time.monotonic() < until, "no alert fired"
        time.sleep(0.1)
