"""A large run: 500 rounds, 200 clients."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator

import httpx
import pytest

from tests.dashboard.browser import Browser
from tests.dashboard.collector import CollectorProcess
from tests.dashboard.federation import SECOND, Federation, ship, ship_all

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


RUNS = 1000
COMPARED = 5
COMPARE_BOUND_MS = 1000.0


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CollectorProcess]:
    process = CollectorProcess(tmp_path_factory.mktemp("many") / "data")
    with process.client() as client:
        ship_many(client)
    yield process
    process.stop()


def ship_many(client: httpx.Client) -> None:
    """A thousand runs of the same task, each told something else; the newest five are longer."""
    start = time.time_ns() - 2 * RUNS * SECOND
    for at in range(RUNS):
        config = {"lr": 0.01 * (1 + at % 7), "epochs": 1 + at % 5, "mu": 0.1 * (at % 3)}
        rounds = 100 if at >= RUNS - COMPARED else 2
        one = Federation(f"r-{at:04}", rounds, 10, start + at * SECOND, seed=at, config=config)
        ship_all(client, one, rounds)
        ship(client, one.shipment(one.ended()))


def comparable(browser: Browser) -> float:
    """Milliseconds from navigation until five of a thousand runs are compared."""
    names = ",".join(f"r-{RUNS - 1 - at:04}" for at in range(COMPARED))
    browser.open(f"#/compare?runs={names}")
    marks = "return performance.getEntriesByName('compare-usable').map(mark => mark.startTime)"
    browser.until(lambda: browser.run(marks), "a usable page")
    assert len(browser.all(".compare-curves .uplot")) == 2
    assert f"{RUNS // 1000}\u2009000 mnist runs" in browser.run(
        "return document.querySelector('.compare-page > .panel:last-child .sub').textContent"
    )
    return float(browser.run(marks)[0])


def test_five_of_a_thousand_runs_are_compared_in_time(
    browser: Browser, many: CollectorProcess, capsys: pytest.CaptureFixture[str]
) -> None:
    browser.address = many.address
    times = [comparable(browser) for _ in range(5)]
    with capsys.disabled():
        shown = ", ".join(f"{each:.0f}" for each in times)
        print(f"\n{COMPARED} of {RUNS} runs compared after {shown} ms")
    assert statistics.median(times) <= COMPARE_BOUND_MS
