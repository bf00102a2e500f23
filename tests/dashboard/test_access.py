"""Whom the page serves: keyboard, screen reader, phone; and what it may load."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.dashboard.browser import DESKTOP, PHONE, Browser
from tests.dashboard.conftest import RUN

pytestmark = pytest.mark.slow

WEB = Path(__file__).parents[2] / "web"
AXE = WEB / "node_modules/axe-core/axe.min.js"
PAGES = (
    "#/runs",
    f"#/run/{RUN}",
    f"#/run/{RUN}?round=12&inspect=1&zoom=3-12",
    f"#/nodes/{RUN}",
    "#/models",
    f"#/compare?runs={RUN},r-ended",
    "#/compare",
    "#/alerts?show=all",
    "#/run/r-nowhere",
)
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]
SMALLEST_TARGET = 32


def settled(browser: Browser, page: str) -> None:
    browser.open(page)
    browser.until(lambda: browser.all("h1, .run-table, .scatter, .parallel, .rules"), "the page")
    if page.startswith(f"#/run/{RUN}"):
        browser.until(lambda: browser.all(".waterfall canvas"), "the waterfall")
        browser.until(lambda: browser.all(".inspector") or "inspect" not in page, "the inspector")


def violations(browser: Browser) -> list[Any]:
    """What axe-core finds, with the elements it is about."""
    assert AXE.is_file(), "axe-core is missing: npm ci --prefix web"
    browser.run(AXE.read_text())
    found: list[Any] = browser.driver.execute_async_script(
        "const done = arguments[1];"
        "axe.run(document, {runOnly: arguments[0]}).then(result => done(result.violations"
        ".map(v => [v.id, v.nodes.map(n => n.html.slice(0, 160) + ' ' + n.failureSummary)])))",
        RULES,
    )
    return found


@pytest.mark.parametrize("theme", ["dark", "light"])
@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_axe_finds_nothing(reader: Browser, theme: str, size: tuple[int, int]) -> None:
    reader.look(size, theme)
    for page in PAGES:
        settled(reader, page)
        assert violations(reader) == [], page
    reader.press("?")
    reader.find("dialog.keys")
    assert violations(reader) == [], "the keys"
    assert all("404" in line for line in reader.console())


def small_targets(browser: Browser) -> list[str]:
    """What a finger would miss."""
    found: list[str] = browser.run(
        "return [...document.querySelectorAll('a, button, select, input, [role=slider]')]"
        ".filter(e => e.checkVisibility()).map(e => [e.getBoundingClientRect(), e.outerHTML])"
        ".filter(([box]) => box.width && box.height < arguments[0])"
        ".map(([box, html]) => `${box.width} x ${box.height} ${html.slice(0, 120)}`)",
        SMALLEST_TARGET,
    )
    return found


def test_targets_on_a_phone_are_large_enough(reader: Browser) -> None:
    reader.look(PHONE)
    for page in PAGES[:-1]:
        settled(reader, page)
        assert small_targets(reader) == [], page


def test_a_phone_needs_no_sideways_scrolling(reader: Browser) -> None:
    reader.look(PHONE)
    for page in PAGES:
        settled(reader, page)
        assert reader.run("return document.documentElement.scrollWidth") == PHONE[0], page
        assert reader.run(
            "const m = document.querySelector('main');return m.scrollWidth <= m.clientWidth"
        ), page
    assert all("404" in line for line in reader.console())


def test_nothing_is_asked_of_another_origin(reader: Browser) -> None:
    for page in PAGES[:-1]:
        settled(reader, page)
    asked = [url for url in reader.requests() if not url.startswith(("about:", "data:"))]
    host = reader.address.removeprefix("http://")
    assert f"ws://{host}/ws/metrics" in asked
    assert [url for url in asked if url.split("/")[2] != host] == []


def test_the_page_holds_no_inline_style_or_script() -> None:
    page = (WEB.parent / "src/fedsight/dashboard/static/index.html").read_text()
    assert "style=" not in page
    assert "<style" not in page
    assert page.count("<script") == page.count('<script type="module" src=')
    assert "default-src 'self'" in page
