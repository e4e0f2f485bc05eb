"""Chromium as the system has it, and the page that it opens; no test's own."""

from __future__ import annotations

import random
import shutil
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn
from selenium import webdriver
from selenium.webdriver.chrome.service import Service

from coilal.labelling.contract import Desk
from coilal.labelling.page.app import build
from coilal.labelling.page.server import serve

TOKEN = "a-token-of-the-tests"
THREAD = "coilal-label-page"
PATIENCE_S = 60


def missing() -> list[str]:
    """Return the programs that are needed and not there."""
    return [names[0] for names in (CHROMIUM, DRIVER) if not found(names)]


CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
DRIVER = ("chromedriver", "chromium.chromedriver")


def found(names: tuple[str, ...]) -> str | None:
    return next((path for name in names if (path := shutil.which(name))), None)


@contextmanager
def chromium() -> Iterator[webdriver.Chrome]:
    """Open a browser without a window."""
    options = webdriver.ChromeOptions()
    options.binary_location = found(CHROMIUM) or ""
    for argument in (
        "--headless=new",
        "--no-sandbox",  # there is none for root, as CI is
        "--disable-dev-shm-usage",
        "--disable-gpu",
        "--disable-background-networking",
        "--disable-component-update",
        "--no-first-run",
        "--force-color-profile=srgb",
    ):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(found(DRIVER)))
    driver.set_script_timeout(20)
    try:
        yield driver
    finally:
        driver.quit()


def free_port() -> int:
    """Return a port below those that systems give to clients: none of them takes it while nobody listens there."""
    for port in random.Random().sample(range(20_000, 30_000), 100):
        with socket.socket() as trial:
            if trial.connect_ex(("127.0.0.1", port)):
                return port
    raise AssertionError("no port is free")


def sized(driver: webdriver.Chrome, width: int, height: int, dark: bool = False) -> None:
    """Give the window a width that a real one may not have."""
    metrics: dict[str, Any] = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    features = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})


class Served:
    """A desk on the web, whose server can be killed and started again at the same port."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.port = free_port()
        self.server = self._start()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def stop(self) -> None:
        self.server.should_exit = True
        self.server.force_exit = True

    def kill(self) -> None:
        """Stop, and wait until nobody listens any more."""
        self.stop()
        self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive()

    def again(self) -> None:
        self.server = self._start()

    def _start(self) -> uvicorn.Server:
        before = set(threading.enumerate())
        server, _ = serve(build(self.desk, TOKEN, []), "127.0.0.1", self.port)
        (self._thread,) = (each for each in set(threading.enumerate()) - before if each.name == THREAD)
        return server
