"""From a folder of images without labels to a model and a table of predictions, by keyboard in a browser.

``python -m tests.browser.tour FOLDER [SECONDS]`` does it for real, with so many seconds to look at each image, and
writes the pictures of README and docs/labelling_tour.md. It prints how long each step took.
"""

from __future__ import annotations

import base64
import csv
import io
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import numpy as np
from PIL import Image
from selenium import webdriver
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

from tests.annotator import PATIENCE_S, Served
from tests.browser.browser import chromium, sized
from tests.browser.person import Person
from tests.commands import command

LABELS = {"1_Doppelwindung": "double winding", "2_Luecke": "gap", "3_Kreuzung": "crossover"}
COILS, VIEWS, NEXT_COILS = 25, 12, 5
BATCHES = 5
GREYS = 64
SLIPS = (100, 130, 160)
"""Answers after which the inspector overlooks what is there, once each."""
WIDE, PHONE = (1400, 860), (380, 860)
SESSION = ("data=coils", "data.root=photos", "study=line3", "task=multilabel")
CLASSES = f"label.classes=[{','.join(LABELS.values())}]"
RUN = "outputs/line3/multilabel/tiny/entropy/split0/seed0"

Truth = Mapping[str, frozenset[str]]


@dataclass
class Tour:
    """Where it happens, and how long each step took, in seconds."""

    place: Path
    pictures: Path
    look_s: float = 0.0
    took: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def timed(self, step: str) -> Iterator[None]:
        start = time.monotonic()
        yield
        self.took[step] = time.monotonic() - start

    def typed(self, *typed: str) -> str:
        done = command(*typed, cwd=self.place)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def rendered(self, folder: str, coils: int, seed: int) -> Truth:
        """Render coils, and return their faults; no table is left with them."""
        options = ("--coils", str(coils), "--images-per-coil", str(VIEWS), "--seed", str(seed))
        self.typed("coilal.render", "--out", folder, *options)
        for table in ("labels_multiclass.csv", "contact_sheet.png"):
            (self.place / folder / table).unlink()
        rows = self.rows(f"{folder}/labels.csv")
        (self.place / folder / "labels.csv").unlink()
        return {row["Image"]: frozenset(name for key, name in LABELS.items() if row[key] == "1") for row in rows}

    def rows(self, table: str) -> list[dict[str, str]]:
        with (self.place / table).open(newline="") as stream:
            return list(csv.DictReader(stream))

    def take(self, person: Person, name: str, size: tuple[int, int] = WIDE) -> None:
        """Write what the browser shows."""
        sized(person.driver, *size)
        settled(person.driver)
        shot = person.driver.execute_cdp_cmd("Page.captureScreenshot", {"format": "png"})
        picture = Image.open(io.BytesIO(base64.b64decode(shot["data"]))).convert("RGB")
        in_few_colours(picture).save(self.pictures / f"{name}.png", optimize=True)
        sized(person.driver, *WIDE)


def in_few_colours(picture: Image.Image) -> Image.Image:
    """Return a picture in 256 colours, for a small file: greys, and what else is frequent."""
    pixels = np.asarray(picture).reshape(-1, 3)
    coloured = pixels[np.ptp(pixels, axis=1) > 6]
    common = [colour for colour, _ in Counter(map(tuple, coloured.tolist())).most_common(256 - GREYS)]
    greys = [(value,) * 3 for value in np.linspace(0, 255, GREYS).round().astype(int).tolist()]
    palette = Image.new("P", (1, 1))
    palette.putpalette([value for colour in (*greys, *common) for value in colour])
    return picture.quantize(palette=palette, dither=Image.Dither.NONE)


def settled(driver: webdriver.Chrome) -> None:
    ready = "return !document.querySelector('#viewer') || document.querySelector('#viewer img')?.naturalWidth > 300"
    WebDriverWait(driver, 20).until(lambda it: it.execute_script(ready))
    loaded = "return [...document.images].every((image) => image.complete) && document.readyState === 'complete'"
    WebDriverWait(driver, 20).until(lambda it: it.execute_script(loaded))
    time.sleep(3.5)  # transitions, and the progress, which is asked for every three seconds


@dataclass
class Inspector:
    """Knows the faults, and presses keys; now and then she overlooks some."""

    person: Person
    truth: Truth
    look_s: float
    told: dict[str, frozenset[str]] = field(default_factory=dict)
    slips: list[int] = field(default_factory=lambda: list(SLIPS))

    def waiting(self) -> str:
        """Return the image that waits for an answer, "" while there is none."""
        name = self.person.waiting()
        return "" if name in self.told else name

    def look(self) -> str:
        end = time.monotonic() + PATIENCE_S
        while not (name := self.waiting()):
            assert time.monotonic() < end, f"nothing was asked for: {self.person.text('trouble')}"
            time.sleep(0.02)
        return name

    def answer(self, images: int) -> None:
        for _ in range(images):
            name = self.look()
            time.sleep(self.look_s)
            self.told[name] = self.seen(name)
            self.person.press(*self.keys(self.told[name]), Keys.ENTER)

    def seen(self, name: str) -> frozenset[str]:
        if self.slips and self.truth[name] and len(self.told) >= self.slips[0]:
            self.slips.pop(0)
            return frozenset()
        return self.truth[name]

    def keys(self, faults: frozenset[str]) -> list[str]:
        return [str(key) for key, label in enumerate(LABELS.values(), 1) if label in faults]

    def correct(self, gallery: str) -> None:
        """Correct what the gallery of images on which the model disagrees has, as far as she was wrong."""
        self.person.driver.get(gallery)
        links = "return [...document.querySelectorAll('.cards a')].map((card) => [card.ariaLabel, card.href])"
        shown = {label.partition(",")[0]: address for label, address in self.person.run(links)}
        for name in [name for name in shown if self.told[name] != self.truth[name]]:
            wrong = self.truth[name] ^ self.told.pop(name)
            self.person.driver.get(shown[name])
            assert self.look() == name
            self.told[name] = self.truth[name]
            self.person.press(*self.keys(wrong), Keys.ENTER)
            self.look()


def learnt(client: httpx.Client, batches: int) -> None:
    """Wait until a model has learnt from so many batches."""
    end = time.monotonic() + PATIENCE_S
    while len(client.get("/api/progress", params={"who": "looks#1"}).json()["curve"]) < batches:
        assert time.monotonic() < end, "it goes on learning"
        time.sleep(0.05)


def labelled_in_the_browser(tour: Tour, truth: Truth) -> str:
    """Label the audit set and some batches; return what the command says when it ends."""
    with tour.timed("from the command to the page"):
        served = Served((*SESSION, CLASSES, "label.reask=0"), tour.place)
        client = served.enter()
    try:
        with chromium() as driver:
            sized(driver, *WIDE)
            person = Person(driver, None, served)
            base = served.address.partition("?")[0]
            driver.get(f"{base}static/icon.svg")
            driver.execute_script("localStorage.setItem('coilal.name', 'Ines')")
            driver.get(served.address)
            driver.get_log("browser")  # of the picture, which stood there for the name's sake
            inspector = Inspector(person, truth, tour.look_s)
            inspector.look()
            tour.take(person, "tour_audit")
            audit = client.get("/api/progress", params={"who": "looks#1"}).json()["of"]
            with tour.timed(f"{audit} answers to the audit set"):
                inspector.answer(audit)
            with tour.timed(f"{24 * (BATCHES - 1)} answers in {BATCHES - 1} batches"):
                inspector.answer(24 * (BATCHES - 1))
            learnt(client, BATCHES - 1)
            driver.get(f"{base}gallery?disagrees=1")
            tour.take(person, "tour_gallery")
            with tour.timed(f"correcting {len(SLIPS)} slips, and 24 more answers"):
                inspector.correct(f"{base}gallery?disagrees=1")
                driver.get(base)
                inspector.answer(24)
            left = sum(told != truth[name] for name, told in inspector.told.items())
            print(f"{len(SLIPS) - left} of {len(SLIPS)} slips were in the gallery, and are corrected")
            with tour.timed("from the last answer of a batch to its model"):
                learnt(client, BATCHES)
            person.press("g")
            while not truth[inspector.look()]:
                inspector.answer(1)
            tour.take(person, "label_page")
            tour.take(person, "label_phone", PHONE)
            assert person.faults() == []
        said = served.stop()
    finally:
        served.kill()
    rows = tour.rows(f"{RUN}/labels.csv")
    table = {row["image"]: {name for name in LABELS.values() if row[name] == "1"} for row in rows}
    assert table == inspector.told
    return said


def agreed(tour: Tour, truth: Truth) -> float:
    """Return the share of new images of which the predictions name all faults, and no other."""
    rows = tour.rows("predictions.csv")
    found = {row["image"]: {*row["decision"].split("+")} - {"none"} for row in rows}
    assert found.keys() == truth.keys()
    return sum(found[name] == faults for name, faults in truth.items()) / len(truth)


def main(pictures: Path, look_s: float = 0.0) -> None:
    pictures.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="coilal-tour-") as place:
        tour = Tour(Path(place), pictures.resolve(), look_s)
        truth = tour.rendered("photos", COILS, 0)
        new = tour.rendered("next", NEXT_COILS, 1)
        said = labelled_in_the_browser(tour, truth)
        with tour.timed(f"predicting {len(new)} images of {NEXT_COILS} new coils"):
            tour.typed("coilal.predict", f"run={RUN}", "data.root=next")
        print(said)
        print((tour.place / "predictions.csv").read_text().splitlines()[:4])
        print((tour.place / "predictions_groups.csv").read_text())
        print(f"{agreed(tour, new):.0%} of the new images have all their faults named, and no other")
        for step, seconds in tour.took.items():
            print(f"| {step} | {seconds:.1f} s |")


if __name__ == "__main__":
    main(Path(sys.argv[1]), *map(float, sys.argv[2:]))
