"""`GET /metrics` of a real collector, read by Prometheus' own tools."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_metrics
from prometheus_client.parser import text_string_to_metric_families as families

from tests.collector.monitors.collector import WatchingServer
from tests.collector.server import Server
from tests.collector.shipments import started, trained

DOCS = Path(__file__).parents[3] / "docs"


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("data")) as running:
        running.send("j", [started("r-1", ["a"]), trained("r-1", 1, ["a"])])
        running.get("/api/v1/runs/r-1")
        running.http.get("/api/v1/runs/nobody")
        yield running


def page(server: Server, accept: str = "text/plain") -> httpx.Response:
    answer = server.http.get("/metrics", headers={"Accept": accept})
    assert answer.status_code == 200
    return answer


def values(text: str) -> dict[str, float]:
    """Every sample by its name and labels."""
    return {
        one.name + "".join(f" {value}" for _, value in sorted(one.labels.items())): one.value
        for family in families(text)
        for one in family.samples
    }


def test_what_was_taken_in_and_answered_is_counted(known: Server) -> None:
    found = values(page(known).text)
    prefix = "fedsight_collector_"
    assert found[f"{prefix}ingested_records_total"] == 2
    assert found[f"{prefix}ingested_samples_total"] > 1
    assert found[f"{prefix}ingested_events_total"] >= 2
    assert found[f"{prefix}store_commits_total"] >= 1
    assert found[f"{prefix}requests_total GET /api/v1/runs/{{run}} 200"] == 1
    assert found[f"{prefix}requests_total GET /api/v1/runs/{{run}} 404"] == 1
    assert found[f"{prefix}request_seconds_count /api/v1/runs/{{run}}"] == 2
    assert found[f"{prefix}requests_running"] == 1
    assert found[f"{prefix}resident_memory_bytes"] > 1e7
    assert found[f"{prefix}cpu_seconds_total"] > 0
    assert found[f"{prefix}websocket_connections"] == 0


def test_the_page_is_text_or_openmetrics(known: Server) -> None:
    plain, open_ = page(known), page(known, "application/openmetrics-text;version=1.0.0")
    assert plain.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert open_.headers["content-type"].startswith("application/openmetrics-text")
    assert plain.headers["cache-control"] == "no-store"
    assert list(open_metrics(open_.text))  # type: ignore[no-untyped-call]


def test_every_name_is_documented(known: Server) -> None:
    told = {name.split()[0] for name in values(page(known).text)}
    told = {re.sub("_(bucket|sum|count)$", "", name) for name in told}
    documented = (DOCS / "metrics.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(fedsight_collector_[a-z_]+)`", documented, re.MULTILINE)
    assert told - set(rows) == set()


def test_promtool_finds_nothing_wrong(known: Server) -> None:
    promtool = shutil.which("promtool")
    assert promtool is not None
    text = page(known).text
    done = subprocess.run(
        [promtool, "check", "metrics"], input=text, capture_output=True, text=True, timeout=30
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@pytest.mark.slow
def test_beyond_loopback_it_needs_the_token(tmp_path: Path) -> None:
    named = '[collector]\nhosts = ["collector.example"]\n'
    with WatchingServer(tmp_path / "data", more=named) as server:
        host = {"Host": "collector.example"}
        assert server.http.get("/metrics", headers=host).status_code == 401
        answer = server.http.get("/metrics", headers={**host, **server.bearer})
        assert answer.status_code == 200


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@pytest.fixture
def prometheus(known: Server, tmp_path: Path) -> Iterator[str]:
    """A real Prometheus that scrapes the collector every second."""
    program = shutil.which("prometheus")
    assert program is not None
    target = known.url.removeprefix("http://")
    (tmp_path / "prometheus.yml").write_text(
        "global: {scrape_interval: 1s}\nscrape_configs:\n"
        f"- {{job_name: collector, static_configs: [{{targets: ['{target}']}}]}}\n"
    )
    port = free_port()
    words = [
        f"--config.file={tmp_path / 'prometheus.yml'}",
        f"--storage.tsdb.path={tmp_path / 'tsdb'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--log.level=error",
    ]
    with subprocess.Popen([program, *words], stderr=subprocess.DEVNULL) as process:
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


def asked(url: str, query: str) -> list[Any]:
    try:
        answer = httpx.get(f"{url}/api/v1/query", params={"query": query}, trust_env=False)
    except httpx.HTTPError:
        return []
    return list(answer.json()["data"]["result"]) if answer.status_code == 200 else []


@pytest.mark.slow
def test_a_real_prometheus_scrapes_it(prometheus: str) -> None:
    end = time.monotonic() + 60
    while not (found := asked(prometheus, 'up{job="collector"}')) or found[0]["value"][1] != "1":
        assert time.monotonic() < end
        time.sleep(0.2)
    records = asked(prometheus, "fedsight_collector_ingested_records_total")
    assert [float(one["value"][1]) for one in records] == [2.0]
