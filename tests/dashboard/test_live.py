"""What happens while somebody looks."""

from __future__ import annotations

import time

import pytest

from tests.dashboard.browser import Browser
from tests.dashboard.collector import CollectorProcess
from tests.dashboard.federation import Federation, ship, ship_all

pytestmark = pytest.mark.slow


def test_rounds_arrive_without_a_reload(browser: Browser, collector: CollectorProcess) -> None:
    federation = Federation("r-live", 30, 10, time.time_ns())
    with collector.client() as client:
        ship_all(client, federation, 2)
        browser.open("#/run/r-live")
        browser.sees(".meta", "Round 2 of 30")
        browser.run("window.sameDocument = true")
        for _ in range(3):
            ship(client, federation.shipment(federation.next_round()))
        browser.sees(".meta", "Round 5 of 30")
        browser.sees(".canvases .panel h2", "Round 5")
        browser.sees(".canvases .panel + .panel .sub", "10 × 5")
        ship(client, federation.shipment(federation.ended()))
        browser.sees(".run-head .status", "Finished")
    assert browser.run("return window.sameDocument") is True


def test_a_pinned_round_stays_while_others_arrive(
    browser: Browser, collector: CollectorProcess
) -> None:
    federation = Federation("r-live", 30, 10, time.time_ns())
    with collector.client() as client:
        ship_all(client, federation, 3)
        browser.open("#/run/r-live?round=2")
        browser.sees(".scrubber .where", "Round 2")
        ship(client, federation.shipment(federation.next_round()))
        browser.sees(".meta", "Round 4 of 30")
    assert "Round 2" in browser.text(".scrubber .where")
    assert browser.text(".canvases .panel h2") == "Round 2"


def test_quick_rounds_are_read_at_most_four_times_a_second(
    browser: Browser, collector: CollectorProcess
) -> None:
    federation = Federation("r-quick", 200, 8, time.time_ns())
    with collector.client() as client:
        ship_all(client, federation, 1)
        browser.open("#/run/r-quick")
        browser.sees(".meta", "Round 1 of 200")
        browser.requests()
        began = time.monotonic()
        while federation.round < 150:
            ship(client, federation.shipment(federation.next_round()))
        browser.sees(".meta", "Round 150 of 200")
        took = time.monotonic() - began
    reads = [url for url in browser.requests() if "/r-quick/rounds?" in url]
    assert 1 <= len(reads) <= 4 * took + 3


def test_a_collector_that_goes_and_comes_back_leaves_nothing_missing(
    browser: Browser, collector: CollectorProcess
) -> None:
    federation = Federation("r-live", 30, 10, time.time_ns())
    with collector.client() as client:
        ship_all(client, federation, 4)
    browser.open("#/run/r-live")
    browser.sees(".meta", "Round 4 of 30")
    browser.run("window.sameDocument = true")
    browser.until(lambda: "/inspector-" in str(loaded(browser)), "parts fetched ahead")

    collector.stop()
    browser.sees(".banner", "Collector not reachable")
    assert "Figures are from" in browser.text(".banner")
    assert "Round 4 of 30" in browser.text(".meta")
    assert browser.run("return document.documentElement.hasAttribute('data-stale')")
    browser.find(".banner button").click()
    browser.sees(".banner", "Collector not reachable")
    browser.press("i")
    browser.sees(".inspector h2", "Round 4")
    browser.press("i")

    collector.start()
    with collector.client() as client:
        ship_all(client, federation, 9)
    browser.sees(".meta", "Round 9 of 30")
    browser.until(lambda: not browser.all(".banner"), "the banner gone")
    browser.sees(".canvases .panel + .panel .sub", "10 × 9")
    with collector.client() as client:
        ship_all(client, federation, 10)
    browser.sees(".meta", "Round 10 of 30")
    assert browser.run("return window.sameDocument") is True
    refused = ("ERR_CONNECTION_REFUSED", "ERR_CONNECTION_RESET", "ERR_EMPTY_RESPONSE")
    assert all(any(word in line for word in refused) for line in browser.console())


def loaded(browser: Browser) -> list[str]:
    names: list[str] = browser.run(
        "return performance.getEntriesByType('resource').map(entry => entry.name)"
    )
    return names
