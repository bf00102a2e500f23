"""A collector with a federation in it, and a browser that must not complain."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.dashboard.browser import Browser
from tests.dashboard.collector import CollectorProcess
from tests.dashboard.federation import SECOND, Federation, ship, ship_all

RUN = "r-00000012"


@pytest.fixture(scope="session")
def window(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """One Chromium for all tests."""
    browser = Browser(tmp_path_factory.mktemp("chromium"))
    yield browser
    browser.close()


@pytest.fixture
def browser(window: Browser) -> Iterator[Browser]:
    """The window, at its desktop size; the console must be empty in the end."""
    window.driver.get("about:blank")
    window.look()
    window.console()
    window.requests()
    yield window
    complaints = window.console()
    window.driver.get("about:blank")
    assert complaints == []


@pytest.fixture
def collector(tmp_path: Path, browser: Browser) -> Iterator[CollectorProcess]:
    """An empty collector, which the browser is about to open."""
    process = CollectorProcess(tmp_path / "data")
    browser.address = process.address
    yield process
    browser.driver.get("about:blank")
    process.stop()


@pytest.fixture(scope="session")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CollectorProcess]:
    """A collector that holds a training run of 12 rounds x 24 clients, and a finished one."""
    process = CollectorProcess(tmp_path_factory.mktemp("filled") / "data", fewest=10**6)
    start = time.time_ns() - 60 * SECOND
    with process.client() as client:
        ship_all(client, Federation(RUN, 20, 24, start), 12)
        ended = Federation("r-ended", 4, 10, start - 3600 * SECOND, seed=3)
        ship_all(client, ended, 4)
        ship(client, ended.shipment(ended.ended()))
    yield process
    process.stop()


@pytest.fixture
def reader(filled: CollectorProcess, browser: Browser) -> Browser:
    """The browser, in front of the filled collector."""
    browser.address = filled.address
    return browser


@pytest.fixture
def api(filled: CollectorProcess) -> Iterator[httpx.Client]:
    """The filled collector's own answers."""
    with filled.client() as client:
        yield client
