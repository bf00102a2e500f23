"""The first page, and how it becomes a run."""

from __future__ import annotations

import time

import pytest

from tests.dashboard.browser import Browser
from tests.dashboard.collector import CollectorProcess
from tests.dashboard.federation import Federation, ship

pytestmark = pytest.mark.slow


def test_the_first_page_names_the_command_and_becomes_the_first_run_by_itself(
    browser: Browser, collector: CollectorProcess
) -> None:
    browser.open("")
    browser.sees("h1", "No runs yet")
    browser.sees(".command", "fedsight run")
    browser.sees(".listening", f"127.0.0.1:{collector.port} 0 signals")
    browser.run("window.sameDocument = true")

    federation = Federation("r-first", 5, 6, time.time_ns())
    with collector.client() as client:
        ship(client, federation.shipment(federation.started()))
        browser.sees("h1", "mnist/fedavg")
        assert browser.hash() == "#/run/r-first"
        browser.sees(".meta", "Round 0 of 5")
        browser.sees(".meta", "— left")
        ship(client, federation.shipment(federation.next_round()))
    browser.sees(".meta", "Round 1 of 5")
    assert browser.run("return window.sameDocument") is True


def test_what_is_not_known_says_why_on_focus(browser: Browser, collector: CollectorProcess) -> None:
    federation = Federation("r-young", 5, 6, time.time_ns())
    with collector.client() as client:
        ship(client, federation.shipment(federation.started()))
    browser.open("#/run/r-young")
    browser.sees('[data-figure="Accuracy"] header', "—")
    assert browser.all(".tip") == []
    browser.run("document.querySelector('[data-figure=\"Accuracy\"] .unknown').focus()")
    browser.sees(".tip", "No round was recorded yet")
    browser.sees(".canvases", "The first round is not over yet.")


def test_going_back_from_the_first_run_does_not_return_to_the_empty_page(
    browser: Browser, collector: CollectorProcess
) -> None:
    browser.open("")
    browser.sees("h1", "No runs yet")
    federation = Federation("r-first", 5, 6, time.time_ns())
    with collector.client() as client:
        ship(client, federation.shipment(federation.started()))
    browser.sees("h1", "mnist/fedavg")
    browser.driver.back()
    assert browser.driver.current_url == "about:blank"
