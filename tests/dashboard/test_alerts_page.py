"""Alerts: seen, answered, silenced."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.dashboard.browser import PHONE, Browser
from tests.dashboard.collector import CollectorProcess
from tests.dashboard.federation import SECOND, Federation, ship_all
from tests.dashboard.test_steering import log_in

pytestmark = pytest.mark.slow

RUN = "r-few"


@pytest.fixture
def alarmed(tmp_path: Path, browser: Browser) -> Iterator[CollectorProcess]:
    """A collector that finds too few samples behind a run's rounds."""
    process = CollectorProcess(tmp_path / "data", fewest=10**6)
    with process.client() as client:
        ship_all(client, Federation(RUN, 20, 10, time.time_ns() - 60 * SECOND), 12)
    browser.address = process.address
    yield process
    browser.driver.get("about:blank")
    process.stop()


def fill(browser: Browser, **fields: str) -> None:
    for label, text in fields.items():
        browser.find(f'dialog [placeholder="{label.replace("_", " ")}"]').send_keys(text)


def test_an_alert_tells_what_was_seen_and_where(
    alarmed: CollectorProcess, browser: Browser
) -> None:
    browser.open("#/alerts")
    browser.sees(".alert", "few_samples")
    browser.sees(".alert", "expected ≥ 1 000 000")
    browser.sees(".alert-facts", RUN)
    browser.until(lambda: len(browser.all(".alert-curves .uplot")) == 2, "the run's curves")
    browser.sees(".rules", "few_samples")
    with alarmed.client() as client:
        firing = client.get("/api/v1/alerts").json()["firing"]
    browser.sees('.rail a[href="#/alerts"] .count', str(firing))


def test_an_alert_that_is_not_there_is_no_other_one(
    alarmed: CollectorProcess, browser: Browser
) -> None:
    browser.open("#/alerts?alert=999999")
    browser.sees(".alerts-side", "There is no alert 999999, or no longer.")
    assert not browser.all(".alert-facts")
    assert [line.partition(" ")[0].rpartition("/")[2] for line in browser.console()] == ["999999"]


def test_what_is_looked_at_stays_when_a_newer_alert_comes(
    alarmed: CollectorProcess, browser: Browser
) -> None:
    browser.open("#/alerts")
    browser.sees(".alert-facts", RUN)
    with alarmed.client() as client:
        ship_all(client, Federation("r-newer", 20, 10, time.time_ns()), 3)
    browser.sees(".alert-list li:first-child", "r-newer")
    browser.sees(".alert-facts", RUN)
    browser.sees('.alert[aria-current="true"]', RUN)


def test_without_a_login_an_alert_is_only_read(alarmed: CollectorProcess, browser: Browser) -> None:
    browser.open("#/alerts")
    browser.sees(".alert", "few_samples")
    browser.find(".alerts-side .button").click()
    browser.sees("dialog", "fedsight login")


def test_an_alert_is_acknowledged(alarmed: CollectorProcess, browser: Browser) -> None:
    log_in(browser, alarmed)
    browser.open("#/alerts")
    browser.sees(".alert", "few_samples")
    browser.until(lambda: browser.all(".alerts-side .button"), "the buttons")
    browser.find(".alerts-side .button").click()
    fill(browser, Your_name="Ada", Comment="on it")
    browser.find("dialog .row .button:last-child").click()
    browser.sees(".alert", "firing, acknowledged")
    browser.sees(".alert-facts", "Ada")
    with alarmed.client() as client:
        (alert,) = client.get("/api/v1/alerts?type=few_samples").json()["alerts"]
    assert (alert["acknowledged"]["by"], alert["acknowledged"]["comment"]) == ("Ada", "on it")


def test_an_alert_is_silenced_and_told_again(alarmed: CollectorProcess, browser: Browser) -> None:
    log_in(browser, alarmed)
    browser.open("#/alerts")
    browser.until(lambda: len(browser.all(".alerts-side .button")) >= 2, "the buttons")
    browser.all(".alerts-side .button")[1].click()
    browser.sees("dialog", f"type = few_samples, run = {RUN}")
    fill(browser, Your_name="Ada")
    browser.find("dialog .row .button:last-child").click()
    browser.sees(".alert", "firing, silenced")
    browser.sees(".silences", "Ada")
    browser.find(".silences .button").click()
    browser.until(lambda: not browser.all(".silences"), "no silence")
    browser.until(lambda: "silenced" not in browser.text(".alert"), "an alert that is not silenced")


def test_it_stands_on_a_phone(alarmed: CollectorProcess, browser: Browser) -> None:
    browser.look(PHONE)
    browser.open("#/alerts")
    browser.sees(".alert", "few_samples")
    assert browser.run(
        "const m = document.querySelector('main'); return m.scrollWidth <= m.clientWidth"
    )


def test_nothing_wrong_is_said(collector: CollectorProcess, browser: Browser) -> None:
    browser.open("#/alerts")
    browser.sees(".alerts-page", "Nothing is wrong that a rule would know of.")
    browser.sees(".rules", "fl_accuracy_drop")
