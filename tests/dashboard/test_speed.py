"""A large run: 500 rounds, 200 clients."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator

import pytest

from tests.dashboard.browser import Browser
from tests.dashboard.collector import CollectorProcess
from tests.dashboard.federation import SECOND, Federation, ship_all

pytestmark = pytest.mark.slow

ROUNDS, CLIENTS = 500, 200
BOUND_MS = 1500.0


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CollectorProcess]:
    process = CollectorProcess(tmp_path_factory.mktemp("large") / "data")
    start = time.time_ns() - 1100 * SECOND
    with process.client() as client:
        ship_all(client, Federation("r-large", ROUNDS, CLIENTS, start, fraction=1.0), ROUNDS)
    yield process
    process.stop()


def usable(browser: Browser) -> float:
    """Milliseconds from navigation until curves, waterfall and all cells are drawn."""
    browser.open("#/run/r-large")
    marks = "return performance.getEntriesByName('run-usable').map(mark => mark.startTime)"
    browser.until(lambda: browser.run(marks), "a usable page")
    assert len(browser.all(".chart canvas")) == 5
    assert browser.text(".canvases .panel + .panel .sub") == f"{CLIENTS} × {ROUNDS}"
    return float(browser.run(marks)[0])


def test_a_run_of_500_rounds_and_200_clients_is_usable_in_time(
    browser: Browser, large: CollectorProcess, capsys: pytest.CaptureFixture[str]
) -> None:
    browser.address = large.address
    times = [usable(browser) for _ in range(5)]
    with capsys.disabled():
        shown = ", ".join(f"{each:.0f}" for each in times)
        print(f"\n{ROUNDS} x {CLIENTS} usable after {shown} ms")
    assert statistics.median(times) <= BOUND_MS
