"""The list of runs."""

from __future__ import annotations

import time

import pytest
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys

from tests.dashboard.browser import PHONE, Browser
from tests.dashboard.collector import CollectorProcess
from tests.dashboard.conftest import RUN
from tests.dashboard.federation import Federation, ship

pytestmark = pytest.mark.slow

MANY = 700


def listed(browser: Browser) -> list[str]:
    ids: list[str] = browser.run(
        "return [...document.querySelectorAll('.run-row .mono')].map(e => e.innerText)"
    )
    return ids


def test_runs_are_listed_newest_first_under_their_groups(reader: Browser) -> None:
    reader.open("#/runs")
    reader.until(lambda: listed(reader) == [RUN, "r-ended"], "both runs")
    groups = reader.run(
        "return [...document.querySelectorAll('.run-group')].map(e => e.innerText.trim())"
    )
    assert groups == ["Live 1", "Ended 1"]
    assert reader.text(".run-row:not(.head) .status") in ("Training", "Silent")
    assert len(reader.all(".run-row .spark path")) == 2


def test_the_view_of_the_list_is_in_the_url(reader: Browser) -> None:
    reader.open("#/runs")
    reader.until(lambda: len(listed(reader)) == 2, "both runs")
    reader.press("/")
    reader.press(*"seed=3")
    reader.until(lambda: listed(reader) == ["r-ended"], "the run with that setting")
    assert reader.hash() == "#/runs?q=seed%3D3"
    reader.open("#/runs?state=live&group=task")
    reader.until(lambda: listed(reader) == [RUN], "live runs")
    reader.sees(".run-group", "mnist 1")
    reader.open("#/runs?q=nothing")
    reader.sees(".no-match", "No run matches “nothing”.")


def test_keys_move_and_open(reader: Browser) -> None:
    reader.open("#/runs")
    reader.until(lambda: len(listed(reader)) == 2, "both runs")
    reader.press("j", Keys.ENTER)
    reader.sees(".crumb", "r-ended")
    reader.driver.back()
    reader.until(lambda: len(listed(reader)) == 2, "the list again")


def test_ctrl_k_jumps_to_a_run_and_to_a_round(reader: Browser) -> None:
    reader.open("#/runs")
    reader.until(lambda: len(listed(reader)) == 2, "both runs")
    chord(reader)
    reader.find(".jump-to input").send_keys("ended", Keys.ENTER)
    reader.sees(".crumb", "r-ended")
    reader.sees(".meta", "Round 4 of 4")
    chord(reader)
    reader.find(".jump-to input").send_keys("2", Keys.ENTER)
    reader.sees(".scrubber .where", "Round 2")


def chord(reader: Browser) -> None:
    ActionChains(reader.driver).key_down(Keys.CONTROL).send_keys("k").key_up(Keys.CONTROL).perform()


def test_a_theme_is_chosen_and_kept(reader: Browser) -> None:
    reader.open("#/runs")
    reader.find('[aria-label^="Theme: system"]').click()
    reader.find('[aria-label^="Theme: dark"]').click()
    reader.find('[aria-label^="Theme: light"]')
    assert reader.run("return document.documentElement.dataset.theme") == "light"
    reader.open("#/runs")
    reader.find('[aria-label^="Theme: light"]').click()
    reader.find('[aria-label^="Theme: system"]')
    assert reader.run("return document.documentElement.dataset.theme") == "dark"


def test_only_rows_in_sight_are_in_the_page(browser: Browser, collector: CollectorProcess) -> None:
    start = time.time_ns()
    with collector.client() as client:
        for number in range(MANY):
            federation = Federation(f"r-{number:04}", 5, 8, start - number * 10**9)
            ship(client, federation.shipment(federation.started()))
    browser.open("#/runs")
    browser.sees(".filter-bar", f"{MANY} runs")
    assert len(browser.all(".run-row")) < 60

    def bottom() -> bool:
        browser.run("document.querySelector('.run-table').scrollTop = 1e6")
        return f"r-{MANY - 1:04}" in listed(browser)

    browser.until(bottom, "the oldest run")
    assert len(browser.all(".run-row")) < 60
    browser.look(PHONE)
    browser.until(lambda: browser.all(".run-row-phone"), "rows for a phone")
    assert len(browser.all(".run-row-phone")) < 60
