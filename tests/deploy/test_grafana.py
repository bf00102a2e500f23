"""Dashboards are what their source makes, and expressions have a real Prometheus's answers."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import promql_parser
import pytest

from deploy.grafana.build import FOLDER, documents
from fedsight.signals import Sample, batch
from tests.collector.promql.prometheus import comparable, difference, prometheus
from tests.collector.server import Server
from tests.collector.shipments import SECOND, START

ROOT = Path(__file__).parents[2]
BEGIN = START // SECOND
END = BEGIN + 2400
#: What Grafana puts in place of its variables.
CHOSEN = {"__rate_interval": "1m", "__range": "40m", "run": "r-1", "node": ".*", "device": ".*"}


def panels() -> Iterator[tuple[str, dict[str, Any]]]:
    """Each panel with its dashboard."""
    for path in sorted(FOLDER.glob("*.json")):
        for panel in json.loads(path.read_text())["panels"]:
            if panel["type"] != "row":
                yield path.stem, panel


def targets() -> Iterator[tuple[str, str, bool]]:
    """Dashboard and panel, expression, whether it is asked for one time."""
    for board, panel in panels():
        for target in panel["targets"]:
            expression = re.sub(r"\$(\w+)", lambda name: CHOSEN[name[1]], target["expr"])
            yield f"{board}: {panel['title']}", expression, target["instant"]


TARGETS = list(targets())


def metric_names(expression: str) -> set[str]:
    """The metrics that an expression selects."""
    found: set[str] = set()

    def visit(node: Any) -> None:
        if isinstance(node, promql_parser.VectorSelector):
            found.add(node.name)

    promql_parser.walk(promql_parser.parse(expression), pre_visit=visit)
    return found


METRICS = sorted({name for _, expression, _ in TARGETS for name in metric_names(expression)})


def labels_of(name: str) -> list[dict[str, str]]:
    """Labels of two series of a metric, as metrics.md has them."""
    if name.startswith("fl_client_"):
        return [{"run": "r-1", "node": node} for node in ("client-0", "client-1")]
    if name.startswith("fl_"):
        return [{"run": "r-1"}, {"run": "r-2"}]
    if name.startswith("network_port_"):
        return [{"device": "of:1", "port": port} for port in ("1", "2")]
    if name.endswith("_bucket"):
        return [{"route": "/health", "le": edge} for edge in ("0.005", "0.1", "+Inf")]
    if name.endswith("requests_total"):
        return [{"route": "/health", "method": "GET", "status": code} for code in ("200", "503")]
    kinds = {
        "network_traffic_bytes_per_second": "kind",
        "fedsight_collector_refused_total": "reason",
        "fedsight_collector_cycle_failures_total": "monitor",
    }
    label = kinds.get(name, "interface" if name.startswith("host_network") else "host")
    return [{label: "one"}, {label: "other"}] if name in kinds or "host_" in name else [{}]


def samples() -> list[Sample]:
    """Forty minutes of every metric that a dashboard shows: counters rise, others vary."""
    found = []
    for place, name in enumerate(METRICS):
        counter = name.endswith(("_total", "_bucket"))
        for number, labels in enumerate(labels_of(name), 1):
            for tick in range(0, END - BEGIN, 15):
                value = tick * number if counter else 2 + (tick // 15 + place + number) % 7
                found.append(Sample((BEGIN + tick) * SECOND, name, float(value), labels=labels))
    return found


def test_the_committed_files_are_what_the_source_makes() -> None:
    committed = {path.name: path.read_text() for path in FOLDER.glob("*.json")}
    assert committed == documents(), "run: python -m deploy.grafana.build"


def test_panels_and_dashboards_are_told_apart() -> None:
    boards = [json.loads(path.read_text()) for path in FOLDER.glob("*.json")]
    assert len({board["uid"] for board in boards}) == len(boards) == 4
    for board in boards:
        ids = [panel["id"] for panel in board["panels"]]
        assert len(set(ids)) == len(ids)


def test_metrics_of_dashboards_are_documented() -> None:
    page = (ROOT / "docs" / "metrics.md").read_text()
    documented = set(re.findall(r"^\| `([^`]+)` \|", page, re.MULTILINE))
    assert {name.removesuffix("_bucket") for name in METRICS} - documented == set()


def test_variables_are_known_and_data_sources_chosen() -> None:
    for path in FOLDER.glob("*.json"):
        board = json.loads(path.read_text())
        names = {each["name"] for each in board["templating"]["list"]}
        assert "datasource" in names
        for panel in board["panels"]:
            for target in panel.get("targets", []):
                assert target["datasource"]["uid"] == "${datasource}"
                used = set(re.findall(r"\$(\w+)", target["expr"]))
                assert used <= names | {"__range", "__rate_interval"}


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("data")) as server:
        server.send("j-boards", [batch(samples())])
        yield server


@pytest.fixture(scope="module")
def theirs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    with (
        prometheus(tmp_path_factory.mktemp("prometheus"), samples()) as url,
        httpx.Client(base_url=url, trust_env=False) as client,
    ):
        yield client


@pytest.mark.slow
def test_every_expression_has_prometheuss_answer(ours: Server, theirs: httpx.Client) -> None:
    """Asked as Grafana asks: a form by POST."""
    wrong = []
    for panel, expression, instant in TARGETS:
        path = "/api/v1/query" if instant else "/api/v1/query_range"
        where = {"time": END - 30} if instant else {"start": BEGIN, "end": END, "step": 15}
        form = {"query": expression, **{name: str(value) for name, value in where.items()}}
        answer = ours.http.post(f"/prometheus{path}", data=form)
        assert answer.status_code == 200, f"{panel}: {expression}: {answer.text}"
        found = comparable(answer.json())
        different = difference(found, comparable(theirs.post(path, data=form).json()))
        if different or not found:
            wrong.append(f"{panel}: {expression}: {different or 'shows nothing'}")
    assert wrong == []


@pytest.mark.slow
def test_variables_find_their_values(ours: Server) -> None:
    """`label_values(metric, label)` becomes a question for one label's values."""
    asked = []
    for path in sorted(FOLDER.glob("*.json")):
        for variable in json.loads(path.read_text())["templating"]["list"]:
            if variable["type"] == "query":
                text = variable["query"].replace("$run", "r-1")
                selector, label = re.fullmatch(r"label_values\((.+), (\w+)\)", text).groups()  # type: ignore[union-attr]
                found = ours.get(
                    f"/prometheus/api/v1/label/{label}/values", params={"match[]": selector}
                )
                asked.append((label, found["data"]))
    assert asked == [
        ("device", ["of:1"]),
        ("run", ["r-1", "r-2"]),
        ("node", ["client-0", "client-1"]),
    ]


def test_provisioning_points_at_the_api_and_the_dashboards() -> None:
    folder = FOLDER.parent / "provisioning"
    source = (folder / "datasources" / "fedsight.yaml").read_text()
    assert "url: http://collector:8083/prometheus" in source
    assert "$FEDSIGHT_TOKEN" in source
    provider = (folder / "dashboards" / "fedsight.yaml").read_text()
    assert "/var/lib/grafana/dashboards/fedsight" in provider
    assert "/var/lib/grafana/dashboards/fedsight" in (ROOT / "docs" / "grafana.md").read_text()
