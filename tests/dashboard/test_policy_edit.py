"""Policies and Replay in a browser: a real policy service behind a real collector."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from selenium.webdriver.common.keys import Keys

from fedsight.policy.files import default_texts
from tests.dashboard.browser import DESKTOP, PHONE, Browser
from tests.dashboard.collector import CollectorProcess
from tests.dashboard.policyserver import PolicyProcess
from tests.dashboard.test_access import small_targets, violations
from tests.dashboard.test_steering import log_in

pytestmark = pytest.mark.slow

PAGE = "#/policy?tab=policies"
TRUSTS = {"gent-01": 0.9, "oslo-02": 0.5, "porto-03": 0.1}


@pytest.fixture
def policy(tmp_path: Path) -> Iterator[PolicyProcess]:
    with PolicyProcess(tmp_path / "data") as process:
        process.asked(TRUSTS)
        yield process


@pytest.fixture
def collector(policy: PolicyProcess, browser: Browser) -> Iterator[CollectorProcess]:
    """Over the data directory of the policy service."""
    process = CollectorProcess(policy.data, policy_url=policy.address)
    browser.address = process.address
    yield process
    if browser.run("return sessionStorage.length"):  # nobody is asked whether to leave
        browser.run(f"location.hash = '{PAGE}'")
        press(browser, "Discard", ".edit-page")
        press(browser, "Discard", "dialog")
    browser.driver.get("about:blank")
    process.stop()


@pytest.fixture
def page(collector: CollectorProcess, browser: Browser) -> Browser:
    """The Policies tab of a browser that logged in."""
    log_in(browser, collector)
    browser.open(f"{PAGE}&file=federation.toml")
    browser.sees(".checks", "tests pass")
    return browser


def edit(page: Browser, before: str, after: str) -> None:
    """As a person does: select the words, and type."""
    page.run(
        "const t = document.querySelector('.editor textarea');"
        "const at = t.value.indexOf(arguments[0]);"
        "t.focus(); t.setSelectionRange(at, at + arguments[0].length)",
        before,
    )
    page.press(after)


def press(page: Browser, text: str, within: str = "body") -> None:
    """Press the button that says so."""

    def there() -> bool:
        found: bool = page.run(
            "const found = [...document.querySelectorAll(arguments[1] + ' button')]"
            ".find(e => e.innerText.trim() == arguments[0]);"
            "found?.click(); return !!found",
            text,
            within,
        )
        return found

    page.until(there, f"a button {text!r} in {within}")


def apply_state(page: Browser) -> str:
    """Why Apply cannot be pressed; empty where it can."""
    found: str = page.run(
        "const e = [...document.querySelectorAll('.edit-page > .panel header button')]"
        ".find(e => e.innerText == 'Apply');"
        "return e.getAttribute('aria-disabled') == 'true' ? e.title : ''"
    )
    return found


def version(policy: PolicyProcess) -> int:
    with policy.client() as http:
        found: int = http.get("/api/v1/policies").json()["number"]
    return found


def until(true: Callable[[], object]) -> None:
    end = time.monotonic() + 20
    while not true():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_an_error_is_told_at_its_line_and_keeps_the_draft_from_being_applied(
    page: Browser,
) -> None:
    press(page, "clients.cedar", ".file-bar")
    assert apply_state(page) == "Nothing was edited."
    edit(page, "principal.trust.", "principal.trst.")
    page.sees(".checks", "1 fault: not taken so")
    text = default_texts()["clients.cedar"]
    line = text[: text.index("principal.trust.")].count("\n") + 1
    assert f"clients.cedar:{line}:" in page.text(".checks")
    assert page.text(".gutter .bad") == str(line)
    assert page.text(".editor pre .wrong") == "trst"
    assert apply_state(page) == "Mend what is wrong first."
    press(page, "Apply")
    assert page.all("dialog") == []
    warns = (
        "const e = new Event('beforeunload', {cancelable: true}); dispatchEvent(e);"
        " return e.defaultPrevented"
    )
    assert page.run(warns)
    page.driver.refresh()
    page.sees(".checks", "1 fault")
    assert "trst" in page.run("return document.querySelector('.editor textarea').value")
    edit(page, "principal.trst.", "principal.trust.")
    page.sees(".checks", "tests pass")
    page.sees(".edit-page > .panel .sub", "as it is in force")


def test_a_draft_whose_test_fails_is_replayed_applied_and_taken_back(
    page: Browser, policy: PolicyProcess
) -> None:
    edit(page, "min_trust = 0.4", "min_trust = 0.95")
    page.sees(".checks", "tests fail")
    text = page.text(".checks")
    assert "a good client trains" in text
    assert "got refused by client.trust-too-low" in text
    page.run(
        "[...document.querySelectorAll('header a')].find(e => e.innerText == 'Replay').click()"
    )
    press(page, "Replay", ".replay-bar")
    page.sees(".flip-figures", "2 allowed → denied")
    page.sees(".replay-page", "By client")
    rows = page.run("return [...document.querySelectorAll('.flip-table')].map(e => e.innerText)")
    assert "client.trust-too-low" in rows[0]
    assert {"gent-01", "oslo-02"} <= set(rows[1].split())
    assert "porto-03" not in rows[1]
    assert "decision=" in page.run("return document.querySelector('a.flip').href")
    page.driver.back()
    page.sees(".checks", "tests fail")
    press(page, "Apply")
    page.sees("dialog .diff", "min_trust = 0.95")
    assert "fail" in page.text("dialog")
    page.press("less trust is not enough")
    press(page, "Apply all the same", "dialog")
    page.sees(".banner", "Version 2 is in force")
    page.sees(".version-list", "less trust is not enough")
    assert not policy.asked({"gent-01": 0.9}, 2)[0]["allowed"]
    press(page, "Go back", ".version-list")
    page.sees("dialog .diff", "min_trust = 0.4")
    press(page, "Go back", "dialog")
    page.sees(".banner", "Version 1 is in force again, as version 3")
    assert policy.asked({"gent-01": 0.9}, 3)[0]["allowed"]
    press(page, "Compare", ".version-list")
    page.run(
        "const e = document.querySelector('dialog select'); e.value = '1';"
        "e.dispatchEvent(new Event('change', {bubbles: true}))"
    )
    page.sees("dialog h2", "From version 2 to version 1")
    page.sees("dialog .diff", "min_trust = 0.95")
    press(page, "Close", "dialog")
    page.open("#/policy?tab=replay&by=2&range=1h")
    press(page, "Replay", ".replay-bar")
    page.sees(".flip-figures", "allowed → denied")


def test_what_somebody_else_changed_is_not_overwritten(
    page: Browser, policy: PolicyProcess
) -> None:
    edit(page, "min_trust = 0.4", "min_trust = 0.5")
    page.sees(".edit-page > .panel .sub", "1 file edited")
    with policy.client() as http:
        now = http.get("/api/v1/policies").json()
        theirs = {**now["files"], "more.cedar": "// theirs\n"}
        assert http.put("/api/v1/policies", json={"files": theirs, "by": "anna"}).status_code == 200
    page.sees(".edit-page", "Somebody changed the set after this draft began")
    assert "changed meanwhile" in apply_state(page)
    press(page, "Put the draft on it")
    page.until(lambda: not apply_state(page), "Apply")
    press(page, "Apply")
    page.sees("dialog .diff", "min_trust = 0.5")
    assert "more.cedar" not in page.text("dialog .diff")
    press(page, "Apply", "dialog")
    page.sees(".banner", "is in force")
    with policy.client() as http:
        assert "more.cedar" in http.get("/api/v1/policies").json()["files"]


def test_without_a_login_one_may_look_and_hears_why_not_more(
    collector: CollectorProcess, browser: Browser
) -> None:
    browser.driver.delete_all_cookies()
    browser.open(PAGE)
    browser.sees(".rule-list", "client.trust-too-low")
    browser.sees(".edit-locked", "log in first")
    assert browser.run("return document.querySelector('.editor textarea').readOnly")
    assert "log in first" in apply_state(browser)
    press(browser, "Compare", ".version-list") if len(browser.all(".version-row")) > 1 else None
    press(browser, "Apply")
    browser.sees("dialog", "fedsight login")
    browser.press(Keys.ESCAPE)
    browser.open("#/policy?tab=replay")
    browser.sees(".replay-why", "log in first")
    assert violations(browser) == []


def test_a_folder_that_vanished_and_an_empty_set_are_told_loudly(
    page: Browser, policy: PolicyProcess
) -> None:
    kept = {one.name: one.read_text() for one in policy.rules.iterdir() if one.is_file()}
    shutil.rmtree(policy.rules)
    page.sees(".edit-page", "The folder’s set is not in force")
    policy.rules.mkdir()
    for name in ("fedsight.cedarschema", "federation.toml"):
        (policy.rules / name).write_text(kept[name])
    page.sees(".problem", "an empty one above all, denies everything")
    assert "fedsight policy rollback" in page.text(".problem")
    assert violations(page) == []
    for name, text in kept.items():
        (policy.rules / name).write_text(text)
    page.sees(".rule-list", "client.trust-too-low")
    page.console()  # it has the refusals


def test_both_tabs_are_for_everybody(page: Browser) -> None:
    edit(page, "min_trust = 0.4", "min_trust = 0.95")
    page.sees(".checks", "fail")
    for size in (DESKTOP, PHONE):
        for theme in ("dark", "light"):
            page.look(size, theme)
            assert violations(page) == []
    assert small_targets(page) == []
    assert page.run("return document.querySelector('main').scrollWidth") == PHONE[0]
    page.open("#/policy?tab=replay&range=all")
    press(page, "Replay", ".replay-bar")
    page.sees(".replay-page", "By client")
    for theme in ("dark", "light"):
        page.look(PHONE, theme)
        assert violations(page) == []
    assert small_targets(page) == []
    assert page.run("return document.querySelector('main').scrollWidth") == PHONE[0]
    page.look(DESKTOP)
    assert violations(page) == []
