"""A real, headless Chromium, driven by what a reader does: open, look, point, press."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
DESKTOP = (1440, 900)
PHONE = (390, 844)
PATIENCE_SECONDS = 20.0


def program(name: str) -> str:
    """Path of an installed program; a clear failure where it is missing."""
    found = shutil.which(name)
    assert found, f"{name} is not installed: apt-get install chromium chromium-driver"
    return found


class Browser:
    """One window with a profile of its own."""

    def __init__(self, profile: Path) -> None:
        options = webdriver.ChromeOptions()
        options.binary_location = program("chromium")
        for flag in (*FLAGS, f"--user-data-dir={profile}"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        service = Service(program("chromedriver"))
        self.driver = webdriver.Chrome(options=options, service=service)
        self.address = ""
        self.look()

    def close(self) -> None:
        self.driver.quit()

    def look(self, size: tuple[int, int] = DESKTOP, theme: str = "dark") -> None:
        """Take a window size and the system's theme."""
        metrics = {"width": size[0], "height": size[1], "deviceScaleFactor": 1}
        mobile = {**metrics, "mobile": size == PHONE}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", mobile)
        features = [
            {"name": "prefers-color-scheme", "value": theme},
            {"name": "prefers-reduced-motion", "value": "reduce"},
        ]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})

    def open(self, hash: str) -> None:
        """A fresh page at a hash of the dashboard."""
        self.driver.get("about:blank")
        self.driver.get(f"{self.address}/{hash}")

    def run(self, script: str, *arguments: object) -> Any:
        return self.driver.execute_script(script, *arguments)

    def find(self, selector: str) -> WebElement:
        """The first element of a selector, once it is there."""
        self.until(lambda: self.all(selector), f"an element {selector}")
        return self.all(selector)[0]

    def all(self, selector: str) -> list[WebElement]:
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def text(self, selector: str) -> str:
        """What a reader sees there; empty where there is nothing."""
        texts = self.run(
            "return [...document.querySelectorAll(arguments[0])].map(e => e.innerText)", selector
        )
        return " ".join(texts[0].split()) if texts else ""

    def until(self, true: Callable[[], object], what: str) -> None:
        """Wait for something to become true; a failure names it."""
        end = time.monotonic() + PATIENCE_SECONDS
        while not true():
            assert time.monotonic() < end, f"never seen: {what}; page: {self.text('body')[:600]}"
            time.sleep(0.05)

    def sees(self, selector: str, text: str) -> None:
        """Wait until an element says a text."""
        self.until(lambda: text in self.text(selector), f"{text!r} in {selector}")

    def press(self, *keys: str) -> None:
        for key in keys:
            ActionChains(self.driver).send_keys(key).perform()

    def point(self, selector: str, share: float, down: float = 0.5) -> None:
        """Move the pointer to a share of an element's width and height."""
        self._to(ActionChains(self.driver, duration=20), selector, share, down).perform()

    def click_at(self, selector: str, share: float, down: float = 0.5) -> None:
        self._to(ActionChains(self.driver, duration=20), selector, share, down).click().perform()

    def drag(self, selector: str, start: float, end: float) -> None:
        box = self.find(selector)
        chain = self._to(ActionChains(self.driver, duration=20), selector, start, 0.5)
        chain.click_and_hold()
        for step in range(1, 5):
            at = start + (end - start) * step / 4
            chain.move_to_element_with_offset(box, int((at - 0.5) * box.size["width"]), 0)
        chain.release().perform()

    def drag_down(self, selector: str, share: float, start: float, end: float) -> None:
        """Drag from one height of an element to another."""
        box = self.find(selector)
        x = int((share - 0.5) * box.size["width"])
        chain = self._to(ActionChains(self.driver, duration=20), selector, share, start)
        chain.click_and_hold()
        for step in range(1, 5):
            at = start + (end - start) * step / 4
            chain.move_to_element_with_offset(box, x, int((at - 0.5) * box.size["height"]))
        chain.release().perform()

    def _to(self, chain: ActionChains, selector: str, share: float, down: float) -> ActionChains:
        box = self.find(selector)
        x = int((share - 0.5) * box.size["width"])
        y = int((down - 0.5) * box.size["height"])
        return chain.move_to_element_with_offset(box, x, y)

    def hash(self) -> str:
        found: str = self.run("return location.hash")
        return found

    def console(self) -> list[str]:
        """Errors and warnings since the last call."""
        entries = self.driver.get_log("browser")
        return [str(entry["message"]) for entry in entries if entry["level"] != "INFO"]

    def requests(self) -> list[str]:
        """Addresses asked for since the last call."""
        found = []
        for entry in self.driver.get_log("performance"):
            message = json.loads(entry["message"])["message"]
            if message["method"] == "Network.requestWillBeSent":
                found.append(str(message["params"]["request"]["url"]))
            if message["method"] == "Network.webSocketCreated":
                found.append(str(message["params"]["url"]))
        return found
