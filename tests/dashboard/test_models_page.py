"""Model versions: listed, compared, promoted, rolled back, tagged."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fedsight.cli.login import new_address
from tests.dashboard.browser import Browser
from tests.dashboard.collector import CollectorProcess
from tests.dashboard.federation import SECOND, Federation, ship_all
from tests.dashboard.flserver import FlServer

pytestmark = pytest.mark.slow

RUN = "r-models"


@pytest.fixture
def fl() -> Iterator[FlServer]:
    server = FlServer(RUN, ["client-0"])
    with server.service:
        yield server


@pytest.fixture
def shelf(tmp_path: Path, browser: Browser, fl: FlServer) -> Iterator[CollectorProcess]:
    """A collector in front of an FL server with six versions."""
    process = CollectorProcess(tmp_path / "data", fl.service.url)
    with process.client() as client:
        ship_all(client, Federation(RUN, 20, 10, time.time_ns() - 30 * SECOND), 6)
    browser.address = process.address
    yield process
    browser.driver.get("about:blank")
    process.stop()


def listed(browser: Browser) -> list[str]:
    rows: list[str] = browser.run(
        "return [...document.querySelectorAll('tbody tr')]"
        ".map(r => [...r.cells].slice(1, 5).map(c => c.innerText.trim()).join(' '))"
    )
    return rows


def press(browser: Browser, label: str) -> None:
    browser.run(
        "[...document.querySelectorAll('button, input')].find(b =>"
        " (b.getAttribute('aria-label') ?? b.innerText.trim()) === arguments[0]).click()",
        label,
    )


def in_dialog(browser: Browser, word: str) -> None:
    browser.run(
        "[...document.querySelectorAll('dialog button')]"
        ".find(b => b.innerText.trim() === arguments[0]).click()",
        word,
    )


def test_versions_are_listed_with_what_was_measured_and_damage_is_named(
    browser: Browser, shelf: CollectorProcess
) -> None:
    browser.open(f"#/models/{RUN}")
    browser.until(lambda: len(listed(browser)) == 6, "all versions")
    assert listed(browser)[0] == f"{RUN}/6 6 30.0 0.700"
    assert listed(browser)[3] == f"{RUN}/3 production 3 15.0 0.850"
    browser.sees(".banner", f"{RUN}/5 is damaged: its SHA-256 is another.")


def test_two_versions_are_compared_and_the_url_keeps_which(
    browser: Browser, shelf: CollectorProcess
) -> None:
    browser.open("#/models")
    browser.until(lambda: len(listed(browser)) == 6, "all versions")
    press(browser, f"Compare {RUN}/2")
    browser.sees(".models-page", f"A is {RUN}/2. Tick another version")
    press(browser, f"Compare {RUN}/6")
    browser.sees(".facts", "Accuracy, points +20.00 Loss −0.2000 Size +4 B Rounds +4")
    browser.sees(".models-page", "None: both are of one run.")
    browser.open(browser.hash())
    browser.sees(".facts", "Accuracy, points +20.00")


def test_the_download_is_a_command(browser: Browser, shelf: CollectorProcess) -> None:
    browser.open("#/models")
    browser.until(lambda: len(listed(browser)) == 6, "all versions")
    press(browser, f"Get {RUN}/6")
    browser.sees("dialog .command", f"fedsight models get {RUN}/6 --output model.safetensors")


def test_without_a_login_nothing_is_changed(
    browser: Browser, shelf: CollectorProcess, fl: FlServer
) -> None:
    browser.open("#/models")
    browser.until(lambda: len(listed(browser)) == 6, "all versions")
    press(browser, f"Promote {RUN}/6")
    browser.sees("dialog", "Log in to change models")
    assert fl.told == []


def test_a_version_is_promoted_rolled_back_and_tagged(
    browser: Browser, shelf: CollectorProcess, fl: FlServer
) -> None:
    token = (shelf.data / "token").read_text().strip()
    browser.driver.get(new_address(shelf.address, token))
    browser.sees(".crumb", "Runs")
    browser.open("#/models")
    browser.until(lambda: len(listed(browser)) == 6, "all versions")
    browser.until(lambda: browser.run("return !document.querySelector('dialog')"), "no question")
    press(browser, f"Promote {RUN}/6")
    in_dialog(browser, "Promote")
    browser.sees(".banner", f"Production is now {RUN}/6, before it {RUN}/3.")
    browser.until(lambda: "production" in listed(browser)[0], "the tag on its version")
    press(browser, "Roll back")
    in_dialog(browser, "Roll back")
    browser.until(lambda: "production" in listed(browser)[3], "the tag where it was")
    press(browser, f"Tag {RUN}/4")
    browser.until(
        lambda: browser.run("return document.activeElement.matches('dialog .field input')"),
        "the focus",
    )
    browser.press(*"good")
    in_dialog(browser, "Tag")
    browser.until(lambda: listed(browser)[2].startswith(f"{RUN}/4 good"), "the new tag")
    assert fl.told[-1] == (f"/models/{RUN}/4/tag", {"tag": "good", "move": False})


def test_without_the_server_the_page_says_what_lists_them(
    browser: Browser, collector: CollectorProcess
) -> None:
    browser.open("#/models")
    browser.sees("h1", "The model versions could not be read")
    browser.sees(".problem pre", "`fedsight serve federation` starts one")
    browser.sees(".command", "fedsight models list")
