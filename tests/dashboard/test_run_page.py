"""The page of a run, looked at and worked with."""

from __future__ import annotations

import re
import time

import httpx
import pytest
from selenium.webdriver.common.keys import Keys

from tests.dashboard.browser import Browser
from tests.dashboard.collector import CollectorProcess
from tests.dashboard.conftest import RUN
from tests.dashboard.federation import SECOND, Federation, ship, ship_all

pytestmark = pytest.mark.slow

PAGE = f"#/run/{RUN}"
FIGURES = ("Accuracy", "Loss", "Participants", "Payload", "Round time")


def ready(reader: Browser, hash: str = PAGE) -> None:
    """Open a page of the run and wait until its canvases are drawn."""
    reader.open(hash)
    reader.until(
        lambda: reader.run("return performance.getEntriesByName('heat-drawn').length > 0"),
        "the heat map",
    )
    reader.until(lambda: len(reader.all(".chart canvas")) == 5, "five charts")
    # A chart is made anew once its band is there.
    reader.until(lambda: len(reader.all(".band-note")) == 2, "the bands of accuracy and loss")


def shown(reader: Browser, figure: str) -> str:
    return reader.text(f'[data-figure="{figure}"] header b')


def expected(row: dict[str, float]) -> dict[str, str]:
    """What the page should say of a round, in its own units."""
    payload = (row["payload_down_bytes"] + row["payload_up_bytes"]) / 1e6
    return {
        "Accuracy": f"{row['accuracy'] * 100:.1f} %",
        "Loss": f"{row['loss']:.3f}",
        "Participants": f"{row['participants']} of {row['selected']}",
        "Payload": f"{payload:.2f} MB",
        "Round time": f"{row['seconds']:.2f} s",
    }


def rounds(api: httpx.Client) -> list[dict[str, float]]:
    found: list[dict[str, float]] = api.get(f"/api/v1/runs/{RUN}/rounds").json()["rounds"]
    return found


def test_figures_are_those_of_the_api(reader: Browser, api: httpx.Client) -> None:
    ready(reader)
    newest = rounds(api)[-1]
    assert {name: shown(reader, name) for name in FIGURES} == expected(newest)
    reader.sees(".meta", "Round 12 of 20")
    assert "24 nodes" in reader.text(".meta")
    assert reader.text("h1") == "mnist/fedavg"
    state = api.get(f"/api/v1/runs/{RUN}").json()["state"]
    assert reader.text(".run-head .status") == state.capitalize()


def test_hovering_one_chart_moves_all_of_them(reader: Browser, api: httpx.Client) -> None:
    ready(reader)
    reader.point('[data-figure="Payload"] .u-over', 0.35)
    known = [expected(row) for row in rounds(api)]
    reader.until(
        lambda: {name: shown(reader, name) for name in FIGURES} in known[:-1],
        "the figures of the hovered round in all five headers",
    )
    cursors = reader.run(
        "return [...document.querySelectorAll('.u-cursor-x')]"
        ".map(c => !c.classList.contains('u-off') && c.style.transform !== '')"
    )
    assert cursors == [True] * 5


def test_a_click_pins_the_round_and_back_lets_it_go(reader: Browser) -> None:
    ready(reader)
    reader.click_at('[data-figure="Loss"] .u-over', 0.5)
    reader.until(lambda: "round=" in reader.hash(), "the round in the URL")
    pinned = int(re.findall(r"round=(\d+)", reader.hash())[0])
    reader.sees(".canvases .panel h2", f"Round {pinned}")
    reader.sees(".scrubber .where", f"Round {pinned}")
    reader.driver.back()
    reader.sees(".scrubber .where", "Round 12")
    assert reader.hash() == PAGE


def test_a_link_shows_what_its_sender_saw(reader: Browser, api: httpx.Client) -> None:
    ready(reader, f"{PAGE}?round=9&inspect=1&metric=train_loss&smooth=0.9&zoom=3-10")
    assert shown(reader, "Loss") == expected(rounds(api)[8])["Loss"]
    assert reader.text(".inspector h2") == "Round 9"
    assert reader.run("return document.querySelector('select.pick').value") == "train_loss"
    assert reader.text('[aria-label="Smoothing"] [aria-pressed="true"]') == "0.9"
    assert "Rounds 3 to 10" in reader.text(".run-head")


def test_dragging_zooms_all_charts_and_the_heat_map(reader: Browser) -> None:
    ready(reader)
    reader.drag('[data-figure="Accuracy"] .u-over', 0.3, 0.8)
    reader.until(lambda: "zoom=" in reader.hash(), "the zoom in the URL")
    low, high = re.findall(r"zoom=(\d+)-(\d+)", reader.hash())[0]
    assert 1 < int(low) < int(high) < 12
    reader.sees(".run-head", f"Rounds {low} to {high}")
    assert f"rounds {low} to {high}." in str(reader.find(".heat").get_attribute("aria-label"))
    reader.press(Keys.ESCAPE)
    reader.until(lambda: reader.hash() == PAGE, "all rounds")


def test_the_heat_map_is_worked_with_keys(reader: Browser, api: httpx.Client) -> None:
    ready(reader)
    reader.run("document.querySelector('.heat').focus()")
    reader.press(Keys.ARROW_DOWN, Keys.ARROW_DOWN, Keys.ARROW_DOWN, Keys.ARROW_DOWN)
    reader.sees("[data-cell]", "client-3, round 12: failed: CUDA out of memory")
    reader.press(Keys.ARROW_LEFT, Keys.ARROW_UP, Keys.ARROW_LEFT)
    row = clients(api, 10, "client-2")[0]
    reader.sees(
        "[data-cell]", f"client-2, round 10: Train time {row['train_seconds'] * 1e3:.0f} ms"
    )
    reader.press(Keys.ENTER)
    reader.sees(".inspector h2", "Round 10")
    assert "round=10" in reader.hash()


def clients(api: httpx.Client, round: int, node: str = "") -> list[dict[str, float]]:
    query = {"from_round": round, "to_round": round} | ({"node": node} if node else {})
    answer = api.get(f"/api/v1/runs/{RUN}/clients", params=query).json()
    found: list[dict[str, float]] = answer["clients"]
    return found


def test_pointing_at_a_cell_says_its_figure(reader: Browser) -> None:
    ready(reader)
    reader.point(".heat", 0.5, 0.1)
    reader.sees(".tip", "round")
    assert re.search(r"client-\d+ round \d+ (Train time \S+ m?s|not selected)", reader.text(".tip"))


def test_the_inspector_tells_and_lists_the_round(reader: Browser, api: httpx.Client) -> None:
    ready(reader)
    reader.press("i")
    reader.sees(".inspector h2", "Round 12")
    row, before = rounds(api)[11], rounds(api)[10]
    reader.sees(".why", f"Took {row['seconds']:.2f} s.")
    assert "client-2: train took" in reader.text(".why")
    change = (row["loss"] - before["loss"]).__format__("+.3f").replace("-", "−")
    assert f"Loss {row['loss']:.3f} {change}" in reader.text(".facts")
    assert "client-3 CLIENT_FAILED CUDA out of memory" in reader.text(".events")
    listed = reader.run(
        "return [...document.querySelectorAll('.inspector tbody tr')].map(r => r.innerText)"
    )
    asked = clients(api, 12)
    assert len(listed) == len(asked) == 18
    slow = next(row for row in asked if row["node"] == "client-2")
    line = next(text for text in listed if text.split()[0] == "client-2")
    assert f"{slow['train_loss']:.3f}" in line
    assert f"{slow['samples']:.0f}" in line
    assert any("client-7" in text and "no reply within 30 s" in text for text in listed)


def test_keys_step_through_rounds_and_escape_goes_back(reader: Browser) -> None:
    ready(reader)
    reader.press("[", "[", "i")
    reader.sees(".inspector h2", "Round 10")
    reader.press("]")
    reader.sees(".inspector h2", "Round 11")
    reader.press(Keys.ESCAPE)
    reader.until(lambda: not reader.all(".inspector"), "a closed inspector")
    reader.press("l")
    reader.sees(".scrubber .where", "Round 12")
    assert "round=" not in reader.hash()
    reader.press("?")
    reader.sees("dialog.keys", "previous and next round")
    reader.press(Keys.ESCAPE)
    reader.until(lambda: not reader.all("dialog"), "a closed dialog")


def test_the_waterfall_says_whom_a_row_is_about(reader: Browser) -> None:
    ready(reader)
    reader.sees(".canvases .panel header", "16 of 18 replied · 1 straggler")
    reader.point(".waterfall", 0.2, 0.08)
    reader.sees(".tip", "client-23")
    assert re.search(r"queued \d\.\d\d s train \d+(\.\d)? ms", reader.text(".tip"))


def test_nodes_that_a_run_did_not_name_are_known_by_their_rounds(
    browser: Browser, collector: CollectorProcess
) -> None:
    begun = time.time_ns() - 30 * SECOND
    federation = Federation("r-unnamed", 20, 12, begun, engine="deployment", named=False)
    with collector.client() as client:
        ship(client, federation.shipment(federation.started()))
        browser.open("#/run/r-unnamed")
        browser.sees(".meta", "0 nodes")
        browser.sees(".canvases .panel + .panel", "It fills with the first round.")
        ship_all(client, federation, 4)
        browser.sees(".meta", "12 nodes")
    browser.sees(".canvases .panel + .panel .sub", "12 × 4")
    browser.run("document.querySelector('.heat').focus()")
    browser.press(Keys.ARROW_DOWN, Keys.ARROW_DOWN, Keys.ARROW_DOWN)
    browser.sees("[data-cell]", "client-2, round 4")


def test_a_run_that_does_not_exist_is_said_not_to(reader: Browser) -> None:
    reader.open("#/run/r-nowhere")
    reader.sees("h1", "There is no run “r-nowhere”")
    assert "404 not_found" in reader.text(".problem pre")
    assert all("404" in line for line in reader.console())
