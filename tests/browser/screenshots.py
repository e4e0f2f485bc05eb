"""Pictures of the labelling page over rendered coils: ``python -m tests.browser.screenshots FOLDER``."""

from __future__ import annotations

import base64
import sys
import time
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from selenium import webdriver
from selenium.webdriver.support.ui import WebDriverWait

from coilal.active.labels import NoLabel
from coilal.demo.renderer import catalogue, photographs
from tests.browser.browser import TOKEN, Served, chromium, sized
from tests.unit.labelling.fake_desk import FakeDesk

CLASSES = ("good", "gap", "crossover", "double winding")
COILS, VIEWS = 4, 16
NAME = "Ines"


@lru_cache(maxsize=COILS * VIEWS)
def photograph(number: int) -> NDArray[np.uint8]:
    """Return a rendered coil (486, 745)."""
    return next(iter(photographs(catalogue(COILS, VIEWS, 3), [number])))


def truth(number: int) -> str:
    doubled, gap, crossed = catalogue(COILS, VIEWS, 3).labels[number].tolist()
    return "double winding" if doubled else "gap" if gap else "crossover" if crossed else "good"


def guess(number: int) -> str:
    return "crossover" if number in (9, 18) else truth(number)


def desk() -> FakeDesk:
    """Return a desk that was told some labels."""
    made = FakeDesk(
        classes=CLASSES,
        images=COILS * VIEWS,
        views=VIEWS,
        audit=4,
        asked=COILS * VIEWS,
        picture=photograph,
        guess=guess,
    )
    for number in range(22):
        made.tell(f"{NAME}#1", number, NoLabel.UNSURE if number in (6, 15) else truth(number), 3.0, True)
    made.tell("Paul#1", 20, "gap", 2.0, True)
    return made


def take(driver: webdriver.Chrome, path: Path) -> None:
    picture = driver.execute_cdp_cmd("Page.captureScreenshot", {"format": "png"})
    path.write_bytes(base64.b64decode(picture["data"]))


def settled(driver: webdriver.Chrome) -> None:
    ready = "return !document.querySelector('#viewer') || document.querySelector('#viewer img')?.naturalWidth > 300"
    WebDriverWait(driver, 20).until(lambda it: it.execute_script(ready))
    loaded = "return [...document.images].every((image) => image.complete) && document.readyState === 'complete'"
    WebDriverWait(driver, 20).until(lambda it: it.execute_script(loaded))
    time.sleep(0.5)  # transitions, and the progress


def screenshots(folder: Path) -> list[Path]:
    """Write the pictures into a folder, and return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    served = Served(desk())
    shots = [
        ("label_1400", "/", 1400, 860, False),
        ("label_1400_dark", "/", 1400, 860, True),
        ("label_380", "/", 380, 860, False),
        ("gallery_1400", "/gallery", 1400, 860, False),
        ("gallery_380", "/gallery", 380, 860, True),
    ]
    try:
        with chromium() as driver:
            driver.get(f"{served.address}/?token={TOKEN}")
            driver.execute_script("localStorage.setItem('coilal.name', arguments[0])", NAME)
            for name, path, width, height, dark in shots:
                sized(driver, width, height, dark)
                driver.get(served.address + path)
                settled(driver)
                take(driver, folder / f"{name}.png")
            for entry in driver.get_log("browser"):
                print(entry["message"])
    finally:
        served.stop()
    return [folder / f"{name}.png" for name, *_ in shots]


if __name__ == "__main__":
    for written in screenshots(Path(sys.argv[1])):
        print(written)
