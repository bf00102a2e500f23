"""Steering a run from its page, and where the page says what holds a run up."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium.webdriver.common.keys import Keys

from fedsight.cli.login import new_address
from tests.dashboard.browser import Browser
from tests.dashboard.collector import CollectorProcess
from tests.dashboard.federation import SECOND, Federation, ship, ship_all
from tests.dashboard.flserver import FlServer

pytestmark = pytest.mark.slow

RUN = "r-steered"
PAGE = f"#/run/{RUN}"


@pytest.fixture
def fl() -> Iterator[FlServer]:
    server = FlServer(RUN, [f"client-{number}" for number in range(10)])
    with server.service:
        yield server


@pytest.fixture
def federation() -> Federation:
    return Federation(RUN, 20, 10, time.time_ns() - 30 * SECOND, engine="deployment")


@pytest.fixture
def collector(
    tmp_path: Path, browser: Browser, fl: FlServer, federation: Federation
) -> Iterator[CollectorProcess]:
    process = CollectorProcess(tmp_path / "data", fl.service.url)
    with process.client() as client:
        ship_all(client, federation, 12)
    browser.address = process.address
    yield process
    browser.driver.get("about:blank")
    process.stop()


def log_in(browser: Browser, collector: CollectorProcess) -> None:
    """As a person does: with the address that `fedsight login` prints."""
    token = (collector.data / "token").read_text().strip()
    browser.driver.get(new_address(collector.address, token))
    browser.sees(".crumb", "Runs")
    assert "write=" not in browser.run("return location.href")


def buttons(browser: Browser) -> dict[str, bool]:
    """The header's controls, and whether each can be used."""
    found = browser.run(
        "return [...document.querySelectorAll('.run-head button[aria-disabled]')]"
        ".map(b => [b.innerText.trim(), b.getAttribute('aria-disabled') === 'false'])"
    )
    return dict(found)


def press(browser: Browser, inside: str, word: str) -> None:
    browser.run(
        "[...document.querySelectorAll(arguments[0] + ' button')]"
        ".find(b => b.innerText.trim() === arguments[1]).click()",
        inside,
        word,
    )


def test_without_a_login_the_controls_say_which_command_gives_one(
    browser: Browser, collector: CollectorProcess, fl: FlServer
) -> None:
    browser.open(PAGE)
    browser.until(lambda: buttons(browser).keys() == {"Pause", "Restart", "Stop"}, "the controls")
    browser.until(lambda: not any(buttons(browser).values()), "controls that cannot be used")
    press(browser, ".run-head", "Stop")
    browser.sees("dialog", "Log in to steer runs")
    browser.sees("dialog .command", "fedsight login")
    browser.press(Keys.ESCAPE)
    assert fl.told == []


def test_a_run_is_paused_resumed_and_stopped(
    browser: Browser, collector: CollectorProcess, fl: FlServer
) -> None:
    log_in(browser, collector)
    browser.open(PAGE)
    browser.until(lambda: buttons(browser).get("Pause"), "controls that can be used")
    press(browser, ".run-head", "Pause")
    browser.sees(".moment", "pause it is")
    browser.until(lambda: buttons(browser).get("Resume"), "a run that can go on")
    press(browser, ".run-head", "Resume")
    browser.until(lambda: buttons(browser).get("Pause"), "a run that goes on")
    press(browser, ".run-head", "Stop")
    browser.sees("dialog", "Stop mnist/fedavg?")
    assert [path for path, _ in fl.told] == ["/pause", "/resume"]
    press(browser, "dialog", "Cancel")
    press(browser, ".run-head", "Stop")
    press(browser, "dialog", "Stop")
    browser.until(lambda: buttons(browser).keys() == {"Restart", "Start"}, "an ended run")
    assert [path for path, _ in fl.told] == ["/pause", "/resume", "/stop"]


def test_what_the_server_refuses_is_said_and_no_state_is_made_up(
    browser: Browser, collector: CollectorProcess, fl: FlServer
) -> None:
    log_in(browser, collector)
    browser.open(PAGE)
    browser.until(lambda: buttons(browser).get("Restart"), "controls that can be used")
    press(browser, ".run-head", "Restart")
    press(browser, "dialog", "Restart")
    browser.sees(".moment.bad", "nothing to begin anew")
    assert buttons(browser).keys() == {"Pause", "Restart", "Stop"}
    assert all("409" in line for line in browser.console())


def test_a_run_that_the_server_does_not_have_is_not_steered(
    browser: Browser, collector: CollectorProcess, fl: FlServer
) -> None:
    fl.run = "r-another"
    browser.open(PAGE)
    browser.until(lambda: buttons(browser) == {"Pause": False, "Stop": False}, "the controls")
    browser.until(lambda: "r-another" in reason(browser), "the reason")
    press(browser, ".run-head", "Pause")
    browser.sees("dialog", "The FL server does not drive this run: it has r-another")
    browser.press(Keys.ESCAPE)


def reason(browser: Browser) -> str:
    return str(browser.find(".run-head button[aria-disabled]").get_attribute("title"))


def test_when_the_server_is_away_that_is_the_reason(
    browser: Browser, collector: CollectorProcess, fl: FlServer
) -> None:
    fl.service.close()
    browser.open(PAGE)
    browser.until(lambda: "fedsight serve federation" in reason(browser), "the reason")
    assert buttons(browser) == {"Pause": False, "Stop": False}


def test_the_header_says_what_the_round_waits_for(
    browser: Browser, collector: CollectorProcess, fl: FlServer
) -> None:
    fl.waiting = ["client-3", "client-7"]
    browser.open(PAGE)
    browser.sees(".moment", "Round 13: training on 18 nodes, waits for client-3 and client-7")
    fl.waiting = ["client-7"]
    browser.sees(".moment", "waits for client-7")


def test_the_watchdog_speaks_where_one_looks_first(
    browser: Browser, collector: CollectorProcess, federation: Federation
) -> None:
    browser.open(PAGE)
    browser.sees(".run-head .status", "Training")
    what = {"message": "no progress for 96 s", "phase": "training", "nodes": ["client-3"]}
    with collector.client() as client:
        ship(client, federation.shipment(federation.told("RUN_STALLED", **what)))
        browser.sees(".run-note", "No progress for 96 s. Since")
        assert "round 13, phase training, waiting for client-3" in browser.text(".run-note")
        browser.sees(".run-head .status", "Stalled")
        browser.sees(".rail .count", "1 stalled")
        browser.run("location.hash = '#/runs'")
        browser.sees(".run-row:not(.head) .status", "Stalled")
        browser.sees(".run-row:not(.head) .warn.ellipsis", "no progress for 96 s")
        ship(client, federation.shipment(federation.told("RUN_STALL_ENDED")))
        browser.sees(".run-row:not(.head) .status", "Training")


def test_a_pause_and_a_wait_are_told_from_events_alone(
    browser: Browser, collector: CollectorProcess, fl: FlServer, federation: Federation
) -> None:
    fl.run = "r-another"
    browser.open(PAGE)
    with collector.client() as client:
        waits = {"message": "waiting for at least 10 nodes", "deadline_seconds": 600.0}
        ship(client, federation.shipment(federation.told("ROUND_WAITING", **waits)))
        browser.sees(".moment", "Round 13: waiting for at least 10 nodes, at most")
        browser.sees(".run-head .status", "Waiting")
        ship(client, federation.shipment(federation.told("RUN_PAUSED", reason="maintenance")))
        browser.sees(".run-note", "maintenance. No further round begins until it is resumed.")
        browser.sees(".run-head .status", "Paused")


def test_the_waterfall_shows_the_phases_of_a_deployment(
    browser: Browser, collector: CollectorProcess
) -> None:
    browser.open(f"{PAGE}?round=12")
    browser.until(lambda: browser.all(".waterfall canvas"), "the waterfall")
    browser.sees(".canvases .panel .legend", "download train upload aggregate evaluate")
    assert "queued" not in browser.text(".canvases .panel .legend")
    browser.point(".waterfall", 0.2, 0.08)
    browser.sees(".tip", "client-2")
    assert "download" in browser.text(".tip")
    assert "upload" in browser.text(".tip")
