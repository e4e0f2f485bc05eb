"""One browser for all tests here; without one they are skipped, or fail where COILAL_REQUIRE_BROWSER=1."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import pytest
from selenium import webdriver

from coilal.labelling.contract import Desk
from tests.browser.browser import Served, chromium, missing
from tests.browser.person import Person


@pytest.fixture(scope="session")
def driver() -> Iterator[webdriver.Chrome]:
    if lacking := missing():
        words = f"{' and '.join(lacking)} not found: apt-get install chromium chromium-driver"
        if os.environ.get("COILAL_REQUIRE_BROWSER") == "1":
            pytest.fail(words)
        pytest.skip(words)
    with chromium() as opened:
        yield opened


@pytest.fixture
def sit(driver: webdriver.Chrome) -> Iterator[Callable[..., Person]]:
    """Return a function that opens the page over a desk for a person."""
    served: list[Served] = []

    def opened(desk: Desk, width: int = 1400, height: int = 900) -> Person:
        served.append(Served(desk))
        return Person(driver, desk, served[-1]).enter(width, height)

    yield opened
    for each in served:
        each.stop()
