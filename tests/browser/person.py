"""Somebody at the keyboard."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from selenium import webdriver
from selenium.common.exceptions import TimeoutException
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from tests.browser.browser import TOKEN, Served, sized

PATIENCE_S = 120
LOOKS = """
    const has = (id) => document.getElementById(id)?.textContent.trim();
    const { activeElement: focus } = document;
    return { shows: document.querySelector("#viewer img")?.alt, said: has("said"), trouble: has("trouble"),
             focus: focus?.id || focus?.tagName, dialog: document.querySelector("dialog[open]")?.id };
"""
"""What tells why something did not come."""


class Person:
    """Presses keys, and looks at the page."""

    def __init__(self, driver: webdriver.Chrome, desk: Any, served: Served) -> None:
        self.driver, self.desk, self.served = driver, desk, served

    def enter(self, width: int, height: int, first: str) -> Person:
        sized(self.driver, width, height)
        self.driver.get(f"{self.served.address}/?token={TOKEN}")
        self.driver.get_log("browser")  # of the tests before
        self.sees(first)
        return self

    def press(self, *keys: str) -> None:
        for key in keys:
            ActionChains(self.driver, duration=0).send_keys(key).perform()

    def until(self, holds: Callable[[], Any], what: str) -> Any:
        try:
            return WebDriverWait(self.driver, PATIENCE_S, 0.01).until(lambda _: holds())
        except TimeoutException:
            raise TimeoutException(f"{what}; the page: {self.run(LOOKS)}") from None

    def text(self, name: str) -> str:
        return str(self.run("return document.getElementById(arguments[0]).textContent", name))

    def run(self, script: str, *arguments: Any) -> Any:
        return self.driver.execute_script(script, *arguments)  # type: ignore[no-untyped-call]

    def click(self, selector: str) -> None:
        self.driver.find_element(By.CSS_SELECTOR, selector).click()

    def sees(self, name: str) -> None:
        """Wait until an image is on the screen, decoded, and can be answered."""
        script = """
            const image = document.querySelector("#viewer img");
            const open = document.querySelector("#classes button[aria-disabled=false]") !== null;
            return open && image && image.naturalWidth > 0 ? image.alt : "";
        """
        self.until(lambda: name in self.run(script), f"{name} was not shown")

    def waiting(self) -> str:
        """Return the name of the image that is on the screen and can be answered, "" while there is none."""
        name = self.run(
            """
            const open = document.querySelector("#classes button[aria-disabled=false]");
            const here = document.querySelector("#viewer img");
            const moment = document.getElementById("moment");
            return open && here && here.naturalWidth && moment.hidden
              ? document.getElementById("image-name").textContent : "";
            """
        )
        return str(name)

    def answer(self, key: str, following: str) -> None:
        self.press(key)
        self.sees(following)

    def is_pressed(self, name: str) -> bool:
        return bool(self.run("return document.getElementById(arguments[0]).ariaPressed === 'true'", name))

    def swaps(self) -> list[float]:
        """Return how long each answer took, in ms, from its key until the next image was painted."""
        measured = "return performance.getEntriesByName('coilal.swap').map((each) => each.duration)"
        return [float(duration) for duration in self.run(measured)]

    def faults(self) -> list[str]:
        """Return what the browser has complained of: scripts that failed, content that the policy refused."""
        return [
            entry["message"] for entry in self.driver.get_log("browser") if "ERR_CONNECTION" not in entry["message"]
        ]
