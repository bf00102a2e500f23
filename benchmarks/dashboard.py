"""How heavy the dashboard is and how soon a large run can be used, in a real Chromium.

Reuses what the browser tests are made of. The run's figures come from a seeded generator and are
shipped to a real collector over HTTP; a page is usable once its curves, waterfall and every cell
of the client x round map are drawn, by the browser's own clock.
"""

from __future__ import annotations

import importlib.util
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.command import Say, run
from benchmarks.measuring import FEWEST_BLOCKS, Spread
from benchmarks.report import Findings, at_most
from fedsight.errors import FedsightError, MissingExtraError

FIRST_ROUTE_BYTES = 60_000
USABLE_MS = 1500.0
FULL_LOADS, QUICK_LOADS = 15, FEWEST_BLOCKS


def measure(quick: bool, say: Say) -> Findings:
    """Weigh the dashboard's first routes and time a run of 500 rounds and 200 clients."""
    _require_browser()
    from tests.dashboard.test_speed import CLIENTS, ROUNDS

    loads = QUICK_LOADS if quick else FULL_LOADS
    routes = first_routes()
    usable = Spread.of(_usable_ms(loads, say))
    figures = {"first_route_gzip_bytes": routes, "usable_ms": usable}
    targets = [
        at_most("bytes of the heaviest first route, gzip", max(routes.values()), FIRST_ROUTE_BYTES),
        at_most(
            f"ms until a run of {ROUNDS} rounds and {CLIENTS} clients is usable",
            usable.median,
            USABLE_MS,
        ),
    ]
    return Findings({"rounds": ROUNDS, "clients": CLIENTS, "page_loads": loads}, figures, targets)


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
    from tests.dashboard.browser import Browser
    from tests.dashboard.test_speed import usable

    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder = Path(name)
        say("shipping the run")
        with _large_run(folder / "data") as address:
            browser = Browser(folder / "profile")
            try:
                browser.address = address
                return [_told(say, number, usable(browser)) for number in range(1, loads + 1)]
            finally:
                browser.close()


def _told(say: Say, number: int, milliseconds: float) -> float:
    say(f"page load {number}: {milliseconds:.0f} ms")
    return milliseconds


@contextmanager
def _large_run(data: Path) -> Iterator[str]:
    """A collector that holds the large run; yields its address."""
    from tests.dashboard.collector import CollectorProcess
    from tests.dashboard.federation import SECOND, Federation, ship_all
    from tests.dashboard.test_speed import CLIENTS, ROUNDS

    process = CollectorProcess(data)
    try:
        start = time.time_ns() - 1100 * SECOND
        with process.client() as client:
            ship_all(client, Federation("r-large", ROUNDS, CLIENTS, start, fraction=1.0), ROUNDS)
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
