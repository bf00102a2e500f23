"""The nodes of a run."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from fedsight.signals import Shipment
from tests.dashboard.browser import Browser
from tests.dashboard.collector import CollectorProcess
from tests.dashboard.conftest import RUN
from tests.dashboard.federation import SECOND, Federation, ship, ship_all
from tests.dashboard.flserver import FlServer
from tests.federated.test_falling import Ground

pytestmark = pytest.mark.slow

PAGE = f"#/nodes/{RUN}"


def table(browser: Browser) -> dict[str, dict[str, str]]:
    """Each node's row by the titles of its columns."""
    heads, rows = browser.run(
        "const text = e => e.innerText.replace(/\\s+/g, ' ').trim();"
        "const all = s => [...document.querySelectorAll(s)];"
        "return [all('table.nodes th').map(text),"
        " all('table.nodes tbody tr').map(r => [...r.cells].map(text))]"
    )
    return {row[0].split()[0]: dict(zip(heads, row, strict=True)) for row in rows}


def clients(api: httpx.Client, node: str) -> list[dict[str, Any]]:
    answer = api.get(f"/api/v1/runs/{RUN}/clients", params={"node": node}).json()
    found: list[dict[str, Any]] = answer["clients"]
    return found


def test_a_simulated_runs_nodes_are_what_their_rounds_say(
    reader: Browser, api: httpx.Client
) -> None:
    reader.open(PAGE)
    reader.until(lambda: len(table(reader)) == 24, "all nodes")
    reader.until(lambda: table(reader)["client-3"].get("Data"), "their samples")
    reader.until(lambda: table(reader)["client-3"].get("Loss") not in (None, "—"), "their losses")
    shown = table(reader)
    rows = clients(api, "client-3")
    trained = [row for row in rows if row["status"] == "trained"]
    median = statistics.median(row["train_seconds"] for row in trained) * 1000
    assert shown["client-3"]["Trained"] == f"{len(trained)}/{len(rows)}"
    assert shown["client-3"]["Train"] in (f"{median:.1f} ms", f"{median:.0f} ms")
    assert shown["client-3"]["Loss"] == f"{trained[-1]['train_loss']:.3f}"
    assert shown["client-3"]["Failed"] == str(len(rows) - len(trained))
    assert shown["client-3"]["Now"] == "failed in round 12"
    assert shown["client-7"]["Now"] == "no reply in round 12"
    assert {row["Kind"] for row in shown.values()} == {"simulated"}
    assert {"Upload", "Part", "Seen", "Offers", "Trust"} & shown["client-3"].keys() == set()


def test_rows_are_sorted_and_searched_by_the_url(reader: Browser) -> None:
    reader.open(f"{PAGE}?sort=train")
    reader.until(lambda: list(table(reader))[:1] == ["client-2"], "the slowest first")
    reader.press("/")
    reader.press(*"client-1")
    reader.until(lambda: len(table(reader)) == 11, "eleven nodes")
    assert "q=client-1" in reader.hash()


def test_the_scatter_names_who_is_far_from_its_share(reader: Browser) -> None:
    reader.open(PAGE)
    reader.until(lambda: reader.all(".scatter .dots"), "the points")
    reader.until(lambda: reader.all(".scatter .far"), "whoever is far off")
    names = reader.run(
        "return [...document.querySelectorAll('.scatter .name')].map(e => e.textContent)"
    )
    assert "client-2" in names or "client-7" in names


def test_the_pages_of_a_run_lead_to_each_other(reader: Browser) -> None:
    reader.open(f"#/run/{RUN}")
    reader.sees(".meta", "24 nodes")
    reader.find(".meta a").click()
    reader.sees(".crumb", f"Nodes in {RUN}")
    reader.press("g", "m")
    reader.sees(".crumb b", "Models")
    reader.press("g", "n")
    reader.until(lambda: len(table(reader)) == 24, "the newest run's nodes")


@pytest.fixture
def deployed(tmp_path: Path, browser: Browser) -> Iterator[tuple[CollectorProcess, FlServer]]:
    names = [f"client-{number}" for number in range(10)]
    server = FlServer("r-deployed", names)
    with server.service:
        process = CollectorProcess(tmp_path / "data", server.service.url)
        browser.address = process.address
        yield process, server
        browser.driver.get("about:blank")
        process.stop()


def test_a_federations_nodes_are_those_that_its_server_knows(
    browser: Browser, deployed: tuple[CollectorProcess, FlServer]
) -> None:
    collector, fl = deployed
    fl.waiting = ["client-3"]
    start = time.time_ns() - 10 * SECOND
    with collector.client() as client:
        ship_all(client, Federation("r-deployed", 20, 10, start, engine="deployment"), 4)
    browser.open("#/nodes/r-deployed")
    browser.until(lambda: "Kind" in table(browser).get("client-1", {}), "what the server says")
    shown = table(browser)
    assert shown["client-1"]["Node"] == "client-1 gpu"
    assert (shown["client-1"]["Kind"], shown["client-3"]["Kind"]) == ("warm", "stock")
    assert (shown["client-1"]["Now"], shown["client-3"]["Now"]) == ("idle", "training")
    assert shown["client-7"]["Now"] == "silent for 1 min 35 s"
    assert shown["client-1"]["Offers"] == "4 CPU, 8.0 GB"
    assert "ms" in shown["client-1"]["Upload"]
    browser.sees(".kpis", "Online 9 of 10, 1 silent node")


def test_without_its_server_events_say_who_fell_silent(
    browser: Browser, collector: CollectorProcess
) -> None:
    federation = Federation("r-alone", 20, 10, time.time_ns() - 9 * SECOND, engine="deployment")
    with collector.client() as client:
        ship_all(client, federation, 3)
        browser.open("#/nodes/r-alone")
        browser.until(lambda: len(table(browser)) == 10, "all nodes")
        ship(client, federation.shipment(federation.told("NODE_SILENT", "client-4", message="x")))
        browser.until(lambda: "silent" in table(browser)["client-4"]["Now"], "who is silent")
        back = federation.told("NODE_RETURNED", "client-4", message="y")
        ship(client, federation.shipment(back))
        browser.until(lambda: "silent" not in table(browser)["client-4"]["Now"], "who is back")


def test_whom_policy_refused_is_told_with_the_reason(
    browser: Browser, collector: CollectorProcess, tmp_path: Path
) -> None:
    ground = Ground(tmp_path / "run")
    assert ground.run().state == "finished"
    with collector.client() as client:
        ship(client, Shipment("r-1", 1, 1, ground.notes.batches))
    browser.open("#/nodes/r-1")
    browser.until(lambda: "Policy" in table(browser).get("client-2", {}), "who was refused")
    shown = table(browser)
    assert shown["client-2"]["Now"] == "refused by policy"
    why = "its trust is below the federation's minimum"
    assert shown["client-2"]["Policy"] == f"refused in rounds 6 to 9: {why}"
    assert (shown["client-2"]["Trained"], shown["client-2"]["Refused"]) == ("1/5", "4")
    assert shown["client-1"]["Policy"] == ""
    assert shown["client-1"]["Now"] == "trained in round 9"


def test_with_no_run_there_are_no_nodes_yet(browser: Browser, collector: CollectorProcess) -> None:
    browser.open("#/nodes")
    browser.sees("h1", "No nodes yet")
