"""The report's page in a browser: it fits a telephone, and says where a table goes on."""

from __future__ import annotations

from pathlib import Path

import pytest
from selenium import webdriver

from coilal.common.types import UserError
from coilal.evidence.report import write_report
from coilal.evidence.report_settings import ReportSettings
from tests.browser.browser import sized
from tests.studies import Simulated, write_study

pytestmark = pytest.mark.slow
PHONE, DESK = 380, 1400
OVER = """
    return [...document.querySelectorAll('body *')].filter((each) => !each.closest('.wide') &&
        each.getBoundingClientRect().right > document.documentElement.clientWidth + 1).map((each) => each.outerHTML)
"""
SCROLLED = """
    return [...document.querySelectorAll(arguments[0])].filter((each) => each.getClientRects().length &&
        each.scrollWidth > each.clientWidth + 1).map((each) => each.textContent.trim().slice(0, 80))
"""


def nothing(run: object) -> None:
    raise UserError("no images here")


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report over two tasks of one study, three splits, and a name that is long."""
    folder = tmp_path_factory.mktemp("report")
    effects = {"random": 0.0, "margin": 0.08, "round_robin_confidence": 0.02}
    for task in ("multiclass", "multilabel"):
        write_study(folder / "s", Simulated(effects, range(2), splits=range(3), split_noise=0.01, task=task))
    return write_report(folder, ["s"], folder / "r", ReportSettings(resamples=100), nothing)[0]


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [PHONE, 700, DESK])
def test_the_page_is_never_moved_sideways(page: Path, driver: webdriver.Chrome, width: int, dark: bool) -> None:
    sized(driver, width, 800, dark)
    driver.get(page.as_uri())
    assert driver.execute_script("return document.documentElement.scrollWidth") <= width
    assert driver.execute_script(OVER) == []


def test_figures_and_the_first_table_fit_a_telephone(page: Path, driver: webdriver.Chrome) -> None:
    sized(driver, PHONE, 800)
    driver.get(page.as_uri())
    assert driver.execute_script("return document.querySelectorAll('figure .wide').length") > 10
    assert driver.execute_script(SCROLLED, "figure .wide") == []
    assert driver.execute_script(SCROLLED, ".answer > .wide") == []


def test_names_stay_where_they_are_while_a_table_is_moved(page: Path, driver: webdriver.Chrome) -> None:
    sized(driver, PHONE, 800)
    driver.get(page.as_uri())
    moved = """
        const table = [...document.querySelectorAll('.wide:has(table)')].find((each) => each.scrollWidth > 500);
        const name = table.querySelector('tbody th'), before = name.getBoundingClientRect().left;
        table.scrollLeft = 150;
        return [table.scrollLeft, name.getBoundingClientRect().left - before];
    """
    assert driver.execute_script(moved) == [150, 0]


def test_every_figure_says_what_to_conclude(page: Path, driver: webdriver.Chrome) -> None:
    driver.get(page.as_uri())
    captions = driver.execute_script(
        "return [...document.querySelectorAll('figcaption')].map((it) => it.textContent)"
    )
    assert all("onclude" in text or "Higher is better" in text for text in captions)
