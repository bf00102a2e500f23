"""The policy page in front of a real policy service: what was decided, by whom it is trusted, and
whether the trail is whole."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.dashboard.browser import DESKTOP, PHONE, Browser
from tests.dashboard.collector import CollectorProcess
from tests.dashboard.federation import SECOND, Federation, ship, ship_all
from tests.dashboard.judged import CLIENTS, FALLEN, MUTE, RUN, SMALL, judge, trusted
from tests.dashboard.policyserver import PolicyProcess
from tests.dashboard.test_access import small_targets, violations

pytestmark = pytest.mark.slow

ROUNDS = 25
DECISIONS = ROUNDS * (len(CLIENTS) + 1)
TABS = {
    "decisions": ("#/policy", ".decision"),
    "refusals": ("#/policy?tab=refusals", ".refusals"),
    "trust": (f"#/policy?tab=trust&client={FALLEN}", ".trust-story"),
    "audit": ("#/policy?tab=audit", ".audit-facts"),
}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PolicyProcess]:
    data = tmp_path_factory.mktemp("policy")
    trusted(data)
    with PolicyProcess(data) as process:
        judge(process, ROUNDS)
        yield process


@pytest.fixture(scope="module")
def collector(
    service: PolicyProcess, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[CollectorProcess]:
    data = tmp_path_factory.mktemp("collector")
    process = CollectorProcess(data, policy_url=service.address)
    yield process
    process.stop()


@pytest.fixture
def reader(collector: CollectorProcess, browser: Browser) -> Browser:
    browser.address = collector.address
    return browser


def press(browser: Browser, text: str) -> None:
    """Press the button that says this."""
    script = "[...document.querySelectorAll('button')].find(b => b.textContent === arguments[0])"
    browser.until(lambda: browser.run(f"return Boolean({script})", text), f"a button {text!r}")
    browser.run(f"{script}.click()", text)


def test_each_decision_stands_with_every_rule_and_its_reason(reader: Browser) -> None:
    reader.open("#/policy?verdict=denied")
    reader.sees(".decision", "Denied")
    found = reader.text(".decision")
    assert any(name in found for name in (FALLEN, SMALL, MUTE))
    reader.open(f"#/policy?verdict=denied&client={FALLEN}")
    reader.sees(".decision", "client.trust-too-low its trust is below the federation's minimum")
    reader.sees(".panel .sub", f"{ROUNDS} fit")
    reader.open(f"#/policy?client={MUTE}&verdict=denied")
    reader.sees(".decision", f"Client '{MUTE}' lacks trust")


def test_a_decision_opens_to_what_was_judged(reader: Browser) -> None:
    reader.open(f"#/policy?client={SMALL}&verdict=denied")
    reader.find(".decision")
    reader.press("j", "\ue007")
    reader.sees(".decision-inputs", f'Client::"{SMALL}"')
    opened = reader.text(".decision-inputs")
    assert "memory_mb 64" in opened
    assert f"{RUN}, round 24" in opened
    assert "record" in opened
    assert "decision=" in reader.hash()
    reader.press("j", "\ue007")
    reader.sees(".decision-inputs", f"{RUN}, round 21")
    reader.press("\ue007")
    reader.until(lambda: not reader.all(".decision-inputs"), "it closes")


def test_the_url_names_one_decision_whatever_is_filtered(
    reader: Browser, service: PolicyProcess
) -> None:
    with service.client() as http:
        oldest = http.get("/api/v1/decisions").json()["oldest_decision_id"]
    reader.open(f"#/policy?decision={oldest}")
    reader.sees(".decision-single .decision-inputs", f"record {oldest}")
    reader.sees(".decision-single", "run.server")
    reader.open("#/policy?decision=999999")
    reader.sees(".decision-single", "Decision 999999 is not among those")


def test_the_list_is_virtual_and_fetches_older_ones(reader: Browser) -> None:
    reader.open("#/policy")
    reader.sees(".panel .sub", f"{DECISIONS} kept")
    assert len(reader.all(".decision")) < 60
    bottom = "const l = document.querySelector('.decision-list'); l.scrollTop = l.scrollHeight;"

    def last() -> bool:
        reader.run(bottom)
        return bool(reader.all(f'.decision[aria-posinset="{DECISIONS}"]'))

    reader.until(last, "the oldest decision")
    assert len(reader.all(".decision")) < 60


def test_new_decisions_come_by_themselves(reader: Browser, service: PolicyProcess) -> None:
    reader.open("#/policy?client=newcomer")
    reader.sees(".policy-empty", "No decision fits")
    service.asked({"newcomer": 0.1})
    reader.sees(".decision", "Denied newcomer")
    service.asked({"newcomer": 0.9})
    reader.sees(".decision", "Allowed newcomer")
    press(reader, "Denied")
    reader.until(lambda: len(reader.all(".decision")) == 1, "the denied one alone")
    assert "verdict=denied" in reader.hash()


def test_search_finds_reasons(reader: Browser) -> None:
    reader.open("#/policy")
    reader.find(".decision")
    reader.press("/")
    reader.press("less memory")
    reader.sees(".panel .sub", "8 fit")
    assert "text=less+memory" in reader.hash()


def test_refusals_lead_to_their_decisions(reader: Browser) -> None:
    reader.open(f"#/policy?tab=refusals&run={RUN}")
    reader.sees(".refusals", "client.trust-too-low")
    told = reader.text(".refusals")
    for name in (FALLEN, SMALL, MUTE):
        assert name in told
    assert "it could not be judged" in told
    cell = f'a[aria-label="8 refusals of {SMALL} by client.too-little-memory"]'
    reader.find(cell).click()
    reader.sees(".panel .sub", "8 fit")
    assert f"client={SMALL}" in reader.hash()
    assert "rule=client.too-little-memory" in reader.hash()
    assert f"run={RUN}" in reader.hash()


def test_trust_says_what_moved_it(reader: Browser) -> None:
    reader.open("#/policy?tab=trust")
    reader.sees(".trust-clients", FALLEN)
    assert "threshold 0.40" in reader.text(".trust-page .sub")
    reader.point(".chart .u-over", 0.6)
    reader.sees(".trust-read", f"{FALLEN} 0.")
    assert "update unlike the others’ (−3.00)" in reader.text(".trust-read")
    reader.find(f".trust-clients a[href*={FALLEN}]").click()
    reader.sees(".trust-story", "round 24 update unlike the others’ −3.00")
    reader.sees(".trust-reset", f"fedsight policy trust reset {FALLEN}")


def test_the_chain_is_verified_on_demand_and_taken_away(
    reader: Browser, service: PolicyProcess, tmp_path: Path
) -> None:
    reader.open("#/policy?tab=audit")
    reader.sees(".audit-page header", "Not verified yet")
    assert reader.all(".chain-unproven")
    folder = {"behavior": "allow", "downloadPath": str(tmp_path)}
    reader.driver.execute_cdp_cmd("Page.setDownloadBehavior", folder)
    press(reader, "Verify")
    reader.sees(".audit-page header", "Whole")
    assert reader.all(".chain-newest")
    public = (service.data / "keys/audit.pub").read_text().strip()
    assert public in reader.run("return document.querySelector('[title*=Ed25519]').title")
    press(reader, "Export JSON lines")
    reader.until(lambda: list(tmp_path.glob("audit-*.jsonl")), "the file")
    taken = next(tmp_path.glob("audit-*.jsonl")).read_text().splitlines()
    files = sorted((service.data / "audit").glob("*.jsonl"))
    stood = [line for file in files for line in file.read_text().splitlines()]
    assert taken == stood[: len(taken)]
    assert len(taken) > DECISIONS
    assert [json.loads(line)["seq"] for line in taken] == list(range(1, len(taken) + 1))


def test_a_broken_chain_names_the_first_record_that_is_wrong(
    browser: Browser, tmp_path: Path
) -> None:
    with PolicyProcess(tmp_path / "policy") as service:
        judge(service, 6)
        collector = CollectorProcess(tmp_path / "collector", policy_url=service.address)
        try:
            browser.address = collector.address
            browser.open("#/policy?tab=audit")
            browser.sees(".audit-page header", "Not verified yet")
            altered(next((service.data / "audit").glob("*.jsonl")), 40)
            press(browser, "Verify")
            browser.sees(".audit-page header", "Broken at 40")
            browser.sees(".audit-broken", "Record 40 was altered")
            assert browser.all(".chain-broken")
            assert browser.all(".chain-lost")
            assert violations(browser) == []
        finally:
            browser.driver.get("about:blank")
            collector.stop()


def altered(file: Path, seq: int) -> None:
    """Make the record say the opposite, in as many bytes."""
    lines = file.read_bytes().split(b"\n")
    before = lines[seq - 1]
    lines[seq - 1] = before.replace(b'"action":"', b'"action":"X', 1).replace(b'"a', b'"', 1)
    assert lines[seq - 1] != before
    with file.open("r+b") as out:
        out.write(b"\n".join(lines))


def test_without_a_service_the_page_says_what_starts_one(browser: Browser, tmp_path: Path) -> None:
    collector = CollectorProcess(tmp_path / "collector")
    try:
        browser.address = collector.address
        browser.open("#/policy?tab=trust")
        browser.sees(".policy-steps", "fedsight serve policy")
        browser.sees(".policy-note", "no refusal of a governed run")
        assert violations(browser) == []
    finally:
        browser.driver.get("about:blank")
        collector.stop()


def test_keys_and_the_rail_lead_there(reader: Browser) -> None:
    reader.open("#/runs")
    reader.find("main section, main div")
    reader.press("g", "p")
    reader.sees(".policy-tabs", "Decisions")
    assert reader.hash() == "#/policy"
    assert reader.text('.rail [aria-current="page"]') == "Policy"
    reader.find(".policy-tabs a[href='#/policy?tab=audit']").click()
    reader.find(".audit-facts")


def test_on_a_phone_the_tab_that_is_shown_is_in_sight(reader: Browser) -> None:
    reader.look(PHONE, "dark")
    reader.open("#/policy?tab=replay")
    reader.sees(".policy-tabs [aria-current]", "Replay")
    edge = "document.querySelector('.policy-tabs [aria-current]').getBoundingClientRect().right"
    reader.until(lambda: reader.run(f"return {edge}") <= PHONE[0], "the tab within the page")


@pytest.mark.parametrize("theme", ["dark", "light"])
@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_axe_finds_nothing(reader: Browser, theme: str, size: tuple[int, int]) -> None:
    reader.look(size, theme)
    for name, (page, part) in TABS.items():
        reader.open(page)
        reader.find(part)
        if name == "decisions":
            reader.find(".decision-head").click()
            reader.find(".decision-inputs")
        assert violations(reader) == [], name
        if size == PHONE:
            assert small_targets(reader) == [], name
            wide: Any = reader.run("return document.documentElement.scrollWidth")
            assert wide == PHONE[0], name


def test_a_refused_node_and_its_run_lead_to_their_decisions(
    reader: Browser, collector: CollectorProcess
) -> None:
    federation = Federation(RUN, 20, 10, time.time_ns() - 9 * SECOND, engine="deployment")
    told = {"action": "train", "message": "its trust is low", "rules": ["x"], "version": "3214e0"}
    with collector.client() as client:
        ship_all(client, federation, 3)
        ship(client, federation.shipment(federation.told("CLIENT_REFUSED", "client-4", **told)))
        ship(client, federation.shipment(federation.told("RUN_GOVERNED", None, version="3214e0")))
    reader.open(f"#/nodes/{RUN}")
    link = 'a[href="#/policy?client=client-4&verdict=denied"]'
    reader.sees(link, "refused in round")
    reader.find(link).click()
    reader.find(".policy-tabs")
    reader.open(f"#/run/{RUN}")
    reader.sees(f'a[href="#/policy?run={RUN}"]', "policy 3214e0")
    reader.find(f'a[href="#/policy?run={RUN}"]').click()
    reader.sees(".panel .sub", "fit")
