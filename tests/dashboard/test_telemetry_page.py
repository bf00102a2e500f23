"""The telemetry page in a browser: a real forecaster behind a real collector; what is missing."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.dashboard.browser import DESKTOP, PHONE, Browser
from tests.dashboard.collector import CollectorProcess
from tests.dashboard.federation import SECOND, Federation, ship_all
from tests.dashboard.forecaster import (
    PREFIX,
    ForecasterProcess,
    keep_model,
    metered,
    rows,
    slots,
    untrained,
)
from tests.dashboard.test_access import small_targets, violations

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def forecaster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ForecasterProcess]:
    """Two nodes that are foreseen, one with too few rows, a silent and a busy one."""
    data = tmp_path_factory.mktemp("foreseen") / "data"
    keep_model(data, untrained())
    with ForecasterProcess(data) as process:
        times = slots(300)
        process.add("gent-04", times[:270], 1)
        process.add("oslo-02", times[:260], 2)
        time.sleep(2)
        process.add("gent-04", times[270:], 1)
        process.add("oslo-02", times[280:], 2)
        process.add("turin-01", times[-12:], 3)
        process.add("umea-03", times[:150], 4)
        pinned = rows(times, 5).assign(**{f"{PREFIX}power_microwatts": 95e6})
        process.windows.window("wien-05").add_dataframe(pinned)
        yield process


@pytest.fixture
def page(forecaster: ForecasterProcess, tmp_path: Path, browser: Browser) -> Iterator[Browser]:
    """The page of a collector that has a run and two nodes' energy."""
    process = CollectorProcess(tmp_path / "data", forecast_url=forecaster.address)
    start = time.time_ns() - 60 * SECOND
    with process.client() as client:
        ship_all(client, Federation("r-00000012", 20, 24, start), 12)
        sources = {"gent-04": "rapl", "oslo-02": "model_cpu_load"}
        metered(client, sources, start - 60 * SECOND, time.time_ns())
    browser.address = process.address
    browser.open("#/telemetry")
    browser.sees(".telemetry-nodes", "gent-04")
    yield browser
    browser.driver.get("about:blank")
    process.stop()


def test_the_fan_runs_ahead_of_the_live_line(page: Browser) -> None:
    page.find(".telemetry-page .chart canvas")
    page.sees(".telemetry-page h2", "gent-04 power")
    ways = ("model", "mixture: ", "baseline: ")
    page.until(lambda: page.text(".telemetry-method").startswith(ways), "what foresees")
    page.point(".telemetry-page .chart", 0.97)
    page.sees(".read-out", " to ")
    page.point(".telemetry-page .chart", 0.3)
    page.until(lambda: " to " not in page.text(".read-out"), "a measured figure")
    page.run(
        "[...document.querySelectorAll('.choice button')].find(e => e.innerText == 'Load').click()"
    )
    page.sees(".telemetry-page h2", "gent-04 load")
    assert "metric=cpu_usage" in page.hash()


def test_each_node_says_how_it_stands(page: Browser) -> None:
    page.sees(".telemetry-nodes", "12 of 30 rows")
    found = page.run(
        "return [...document.querySelectorAll('.telemetry-nodes tbody tr')].map(e => e.innerText)"
    )
    assert [row.split()[0] for row in found] == [
        "gent-04",
        "oslo-02",
        "turin-01",
        "umea-03",
        "wien-05",
    ]
    page.until(lambda: "measured" in page.text(".telemetry-nodes tbody tr"), "measured energy")
    second = page.run("return document.querySelectorAll('.telemetry-nodes tbody tr')[1].innerText")
    assert "modelled" in second
    assert "rows" in second
    page.run("document.querySelectorAll('.telemetry-nodes button')[2].click()")
    page.sees(".telemetry-wait", "turin-01 has 12 rows, a forecast needs 30")
    assert "node=turin-01" in page.hash()
    assert "silent, 7 min ago" in found[3]
    page.run("document.querySelectorAll('.telemetry-nodes button')[3].click()")
    page.sees(".telemetry-wait", "umea-03 sent no whole row since")


def test_a_constant_metric_is_named_and_the_others_are_foreseen(page: Browser) -> None:
    page.sees(".telemetry-nodes", "in part")
    page.run("document.querySelectorAll('.telemetry-nodes button')[4].click()")
    page.sees(".telemetry-wait", "power_consumption is 95 throughout its window")
    page.run(
        "[...document.querySelectorAll('.choice button')].find(e => e.innerText == 'Load').click()"
    )
    page.sees(".telemetry-page .legend", "foreseen, median")


def test_errors_stand_beside_both_baselines(page: Browser) -> None:
    page.until(lambda: page.all(".telemetry-page table.unseen"), "the table of errors")
    heads = page.run("return document.querySelector('table.unseen thead').innerText").split()
    assert heads == ["Steps", "model", "persistence", "median", "of", "30", "held"]
    page.sees(".telemetry-facts", "80 % interval held")


def test_a_round_has_its_energy_and_what_is_modelled_says_so(page: Browser) -> None:
    page.until(lambda: "A point of accuracy" in page.text(".telemetry-page"), "energy of rounds")
    facts = page.run("return [...document.querySelectorAll('.telemetry-facts')].at(-1).innerText")
    assert "12 of 12 rounds" in facts
    assert "all of 2 machines, 1 modelled" in facts


def test_it_is_for_everybody(page: Browser) -> None:
    page.until(lambda: len(page.all(".telemetry-facts")) == 2, "all parts")
    for size in (DESKTOP, PHONE):
        for theme in ("dark", "light"):
            page.look(size, theme)
            assert violations(page) == []
    assert small_targets(page) == []
    assert page.run("return document.documentElement.scrollWidth") == PHONE[0]


def test_without_a_forecaster_the_page_says_what_starts_one(
    collector: CollectorProcess, browser: Browser
) -> None:
    browser.open("#/telemetry")
    browser.sees(".telemetry-page", "Nothing is foreseen yet")
    text = browser.text(".telemetry-steps")
    for command in ("serve exporter", "serve agent", "serve bridge", "run --task telemetry"):
        assert f"fedsight {command}" in text
    assert "fedsight serve forecast" in text
    assert "No node has sent anything yet" in browser.text(".telemetry-page")


def test_without_a_model_the_page_says_what_trains_one(tmp_path: Path, browser: Browser) -> None:
    with ForecasterProcess(tmp_path / "empty") as bare:
        process = CollectorProcess(tmp_path / "data", forecast_url=bare.address)
        browser.address = process.address
        browser.open("#/telemetry")
        browser.sees(".telemetry-page", "No model yet")
        assert "fedsight run --task telemetry" in browser.text(".telemetry-steps")
        browser.driver.get("about:blank")
        process.stop()
