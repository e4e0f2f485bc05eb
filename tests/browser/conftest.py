"""One browser for all tests here; without one they are skipped, or fail where COILAL_REQUIRE_BROWSER=1.

``COILAL_SLOWER_BROWSER=12`` slows its scripts and drawing down so many times, to find tests that race with them.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from selenium import webdriver

from coilal.labelling.contract import Desk
from tests.browser.browser import Served, chromium, missing
from tests.browser.coils import file_coils
from tests.browser.person import Person


@pytest.fixture(scope="session")
def driver() -> Iterator[webdriver.Chrome]:
    if lacking := missing():
        words = f"{' and '.join(lacking)} not found: apt-get install chromium chromium-driver"
        if os.environ.get("COILAL_REQUIRE_BROWSER") == "1":
            pytest.fail(words)
        pytest.skip(words)
    with chromium() as opened:
        if slower := os.environ.get("COILAL_SLOWER_BROWSER"):
            opened.execute_cdp_cmd("Emulation.setCPUThrottlingRate", {"rate": float(slower)})
        yield opened


@pytest.fixture
def sit(driver: webdriver.Chrome) -> Iterator[Callable[..., Person]]:
    """Return a function that opens the page over a desk for a person."""
    served: list[Served] = []

    def opened(desk: Desk, width: int = 1400, height: int = 900, first: str = "view01") -> Person:
        served.append(Served(desk))
        return Person(driver, desk, served[-1]).enter(width, height, first)

    yield opened
    for each in served:
        each.stop()


@pytest.fixture(scope="session")
def coils(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of a few rendered coils, without a table."""
    folder = tmp_path_factory.mktemp("coils")
    file_coils(folder)
    return folder
