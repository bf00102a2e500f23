"""Runs side by side."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from selenium.webdriver.common.keys import Keys

from tests.dashboard.browser import PHONE, Browser
from tests.dashboard.collector import CollectorProcess
from tests.dashboard.federation import SECOND, Federation, ship, ship_all

pytestmark = pytest.mark.slow

RATES = (0.01, 0.05, 0.1)


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CollectorProcess]:
    """A collector with three runs that differ in their learning rate and their seed."""
    process = CollectorProcess(tmp_path_factory.mktemp("compare") / "data")
    start = time.time_ns() - 3600 * SECOND
    with process.client() as client:
        for at, rate in enumerate(RATES):
            one = Federation(
                f"r-{at}",
                20,
                10,
                start + at * SECOND,
                seed=at + 1,
                config={"lr": rate, "epochs": 5},
            )
            ship_all(client, one, 10 + 5 * at)
            ship(client, one.shipment(one.ended()))
    yield process
    process.stop()


@pytest.fixture
def page(three: CollectorProcess, browser: Browser) -> Browser:
    """The browser, in front of them."""
    browser.address = three.address
    return browser


def cells(browser: Browser, setting: str) -> list[str]:
    found: list[str] = browser.run(
        "const row = [...document.querySelectorAll('.settings-table tbody tr')]"
        ".find(r => r.querySelector('th').innerText === arguments[0]);"
        "return row ? [...row.querySelectorAll('td')].map(c => c.innerText) : []",
        setting,
    )
    return found


def into_view(browser: Browser) -> None:
    canvas = browser.find(".parallel canvas")
    browser.run("arguments[0].scrollIntoView({block: 'end'})", canvas)


def test_runs_are_picked_in_the_list_and_compared(page: Browser) -> None:
    page.open("#/runs")
    page.until(lambda: len(page.all(".run-row:not(.head)")) == 3, "three runs")
    page.press("x", "j", "x")
    assert page.hash() == "#/runs?runs=r-2%2Cr-1"
    page.sees(".filter-bar", "Compare 2")
    page.press("c")
    page.sees(".crumb", "Compare")
    page.sees(".legend", "r-2 mnist/fedavg baseline")
    page.until(lambda: len(page.all(".compare-curves .uplot")) == 2, "two plots")
    page.driver.back()
    page.sees(".filter-bar", "Compare 2")


def test_the_table_tells_what_differs_and_what_came_of_it(
    page: Browser, three: CollectorProcess
) -> None:
    page.open("#/compare?runs=r-0,r-1")
    page.until(lambda: cells(page, "lr") == ["0.01", "0.05"], "both learning rates")
    assert cells(page, "epochs") == []
    with three.client() as client:
        runs = [client.get(f"/api/v1/runs/r-{at}").json() for at in (0, 1)]
    shown = [f"{100 * run['accuracy']:.1f}" for run in runs]
    assert [text.split()[0] for text in cells(page, "accuracy, %")] == shown
    page.find('[aria-label="Settings"] button:last-child').click()
    page.until(lambda: cells(page, "epochs") == ["5", "5"], "settings that are the same")
    assert "settings=all" in page.hash()


def test_the_axis_is_rounds_time_or_bytes(page: Browser) -> None:
    page.open("#/compare?runs=r-0,r-1")
    page.sees(".compare-curves .sub", "%, by round")
    page.find('[aria-label="x axis"] button:nth-child(2)').click()
    page.sees(".compare-curves .sub", "%, by wall time, s")
    page.find('[aria-label="x axis"] button:nth-child(3)').click()
    page.sees(".compare-curves .sub", "%, by bytes sent, MB")
    assert "x=bytes" in page.hash()


def test_pointing_reads_the_figures_of_all_runs(page: Browser) -> None:
    page.open("#/compare?runs=r-0,r-1")
    page.until(lambda: len(page.all(".compare-curves .uplot")) == 2, "two plots")
    page.point(".compare-curves .panel:first-child .u-over", 0.5)
    page.until(lambda: len(page.all(".read-out .swatch")) == 4, "two figures in both panels")


def test_what_is_zoomed_can_be_seen_whole_again(page: Browser) -> None:
    page.open("#/compare?runs=r-0,r-1,r-1")
    page.until(lambda: len(page.all(".compare-curves .uplot")) == 2, "two plots")
    assert len(page.all(".legend li")) == 2
    page.drag(".compare-curves .panel:first-child .u-over", 0.3, 0.6)
    page.sees(".compare-controls", "Whole range")
    page.find(".compare-controls > .button").click()
    page.until(lambda: "Whole range" not in page.text(".compare-controls"), "all rounds")


def test_a_brush_filters_and_a_click_on_a_line_takes_a_run_in(page: Browser) -> None:
    page.open("#/compare?runs=r-0")
    page.sees(".compare-page", "3 mnist runs")
    page.until(lambda: len(page.all(".compare-curves .uplot")) == 2, "two plots")
    into_view(page)
    page.click_at(".parallel canvas", 0.999, 0.02)  # nothing is there
    assert page.hash() == "#/compare?runs=r-0"
    box = page.find(".parallel canvas").size
    left = 56 / box["width"]
    top = (40 + (1 - (0.05 - 0.01) / 0.09) * 160) / box["height"]
    page.click_at(".parallel canvas", left + 0.02, top)
    page.until(lambda: "r-1" in page.hash(), "the run in the middle")
    page.until(lambda: cells(page, "lr") == ["0.01", "0.05"], "its settings")
    into_view(page)
    page.drag_down(".parallel canvas", left, 0.6, 0.95)
    page.sees(".compare-page [role=status]", "1 of 3 runs")


def test_a_run_that_is_not_there_is_named(page: Browser) -> None:
    page.open("#/compare?runs=r-0,r-none")
    page.sees(".banner", "There is no run r-none.")


def test_it_stands_on_a_phone_and_for_those_who_cannot_see(page: Browser) -> None:
    page.look(PHONE)
    page.open("#/compare?runs=r-0,r-1")
    page.until(lambda: len(page.all(".compare-curves .uplot")) == 2, "two plots")
    wide = page.run("return document.querySelector('main').scrollWidth - innerWidth")
    assert wide <= 0
    page.press(Keys.ESCAPE)
