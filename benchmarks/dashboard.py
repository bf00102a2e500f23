"""How heavy the dashboard is and how soon a large run can be used, in a real Chromium.

Reuses what the browser tests are made of. The run's figures come from a seeded generator and are
shipped to a real collector over HTTP; a page is usable once its curves, waterfall and every cell
of the client x round map are drawn, by the browser's own clock; the comparison once its curves,
its table and the lines of all runs are.
"""

from __future__ import annotations

import importlib.util
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import httpx

from benchmarks.command import Say, run
from benchmarks.measuring import FEWEST_BLOCKS, Spread
from benchmarks.report import Findings, at_most
from fedsight.errors import FedsightError, MissingExtraError

if TYPE_CHECKING:
    from tests.dashboard.browser import Browser

FIRST_ROUTE_BYTES = 60_000
USABLE_MS = 1500.0
COMPARABLE_MS = 1000.0
FULL_LOADS, QUICK_LOADS = 15, FEWEST_BLOCKS


def measure(quick: bool, say: Say) -> Findings:
    """Weigh the dashboard's first routes and time a run of 500 rounds and 200 clients."""
    _require_browser()
    from tests.dashboard.test_speed import CLIENTS, COMPARED, ROUNDS, RUNS

    loads = QUICK_LOADS if quick else FULL_LOADS
    routes = first_routes()
    usable = Spread.of(_usable_ms(loads, say))
    comparable = Spread.of(_comparable_ms(loads, say))
    figures = {"first_route_gzip_bytes": routes, "usable_ms": usable, "comparable_ms": comparable}
    targets = [
        at_most("bytes of the heaviest first route, gzip", max(routes.values()), FIRST_ROUTE_BYTES),
        at_most(
            f"ms until a run of {ROUNDS} rounds and {CLIENTS} clients is usable",
            usable.median,
            USABLE_MS,
        ),
        at_most(
            f"ms until {COMPARED} of {RUNS} runs are compared", comparable.median, COMPARABLE_MS
        ),
    ]
    scale = {"rounds": ROUNDS, "clients": CLIENTS, "runs": RUNS, "page_loads": loads}
    return Findings(scale, figures, targets)


def first_routes() -> dict[str, int]:
    """Scripts and styles that each page needs before it shows, in bytes of gzip; not fonts."""
    from tests.dashboard.test_assets import imported, routes, styles_of, zipped

    return {
        route: sum(
            map(zipped, imported("app.js") | imported(route) | {"style.css"} | styles_of(route))
        )
        for route in routes()
    }


def _usable_ms(loads: int, say: Say) -> list[float]:
    from tests.dashboard.federation import SECOND, Federation, ship_all
    from tests.dashboard.test_speed import CLIENTS, ROUNDS, usable

    def fill(client: httpx.Client) -> None:
        start = time.time_ns() - 1100 * SECOND
        ship_all(client, Federation("r-large", ROUNDS, CLIENTS, start, fraction=1.0), ROUNDS)

    return _timed(loads, say, fill, usable)


def _comparable_ms(loads: int, say: Say) -> list[float]:
    from tests.dashboard.test_speed import comparable, ship_many

    return _timed(loads, say, ship_many, comparable)


def _timed(
    loads: int,
    say: Say,
    fill: Callable[[httpx.Client], None],
    load: Callable[[Browser], float],
) -> list[float]:
    """Milliseconds of each page load, over a collector that `fill` has given its runs."""
    from tests.dashboard.browser import Browser

    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder = Path(name)
        say("shipping runs")
        with _filled(folder / "data", fill) as address:
            browser = Browser(folder / "profile")
            try:
                browser.address = address
                return [_told(say, number, load(browser)) for number in range(1, loads + 1)]
            finally:
                browser.close()


def _told(say: Say, number: int, milliseconds: float) -> float:
    say(f"page load {number}: {milliseconds:.0f} ms")
    return milliseconds


@contextmanager
def _filled(data: Path, fill: Callable[[httpx.Client], None]) -> Iterator[str]:
    """A collector that holds runs; yields its address."""
    from tests.dashboard.collector import CollectorProcess

    process = CollectorProcess(data)
    try:
        with process.client() as client:
            fill(client)
        yield process.address
    finally:
        process.stop()


def _require_browser() -> None:
    for module in ("selenium", "pytest"):
        if importlib.util.find_spec(module) is None:
            raise MissingExtraError(module, "dev")
    for program in ("chromium", "chromedriver"):
        if shutil.which(program) is None:
            raise FedsightError(
                f"{program} is not installed; run: apt-get install chromium chromium-driver"
            )


if __name__ == "__main__":
    sys.exit(run("dashboard", measure))
