"""The command itself is killed while somebody labels in a browser, and typed again."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest
from selenium import webdriver

from tests.annotator import Served
from tests.browser.browser import free_port, sized
from tests.browser.person import Person

pytestmark = pytest.mark.slow
RUN = "outputs/line3/multiclass/tiny/margin/split0/seed0/checkpoints"
SESSION = (
    *("study=line3", "data=coils", "label.classes=[ok,dent]", "label.audit=8", "label.reask=0", "strategy=margin"),
    *("data.image.size=[56,42]", "trainer.accelerator=cpu", "trainer.max_epochs=2", "cache.dir=cache"),
    *("budget.initial=8", "budget.query=8"),
)


class Inspector:
    """Answers by keyboard in one tab, and notes what she has told, in order."""

    def __init__(self, person: Person) -> None:
        self.person = person
        self.told: list[tuple[str, str]] = []

    def press(self) -> None:
        """Answer the image that waits, without looking what becomes of it."""
        name = self.look()
        key, label = (("1", "ok"), ("2", "dent"))[len(self.told) % 2]
        self.person.press(key)
        self.told.append((name, label))

    def look(self) -> str:
        """Wait for an image that was not told of, and return its name."""
        done = {"", *(name for name, _ in self.told)}
        self.person.until(lambda: self.person.waiting() not in done, "nothing was asked for")
        return self.person.waiting()

    def answer(self, images: int) -> None:
        for _ in range(images):
            self.press()
            self.look()


def journalled(folder: Path) -> list[tuple[str, str]]:
    """Return the answers on the disk, in the order in which they came: those to the audit set are first."""
    found: list[tuple[str, str]] = []
    for name in ("audit", "session"):
        path = folder / RUN / f"{name}.jsonl"
        for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
            found += json.loads(line).get("told", {}).items()
    return found


def test_the_command_is_killed_twice_and_each_answer_is_there_once_in_order(
    driver: webdriver.Chrome, coils: Path, tmp_path: Path
) -> None:
    port, typed = free_port(), (*SESSION, f"data.root={coils}")
    served = Served(typed, tmp_path, port)
    try:
        served.enter()
        sized(driver, 1400, 900)
        driver.get(served.address)
        person = Person(driver, None, served)
        inspector = Inspector(person)
        person.run("window.isSameTab = true")
        inspector.answer(2)

        served.command.send_signal(signal.SIGSTOP)  # the answer is on its way, and never read
        inspector.press()
        person.until(lambda: person.run("return sessionStorage.getItem('coilal.outbox')"), "it is not on its way")
        served.kill()
        person.until(lambda: "is kept here" in person.text("trouble"), "not said")
        assert journalled(tmp_path) == inspector.told[:2]
        served = again(served, typed, tmp_path, port)
        inspector.answer(2)
        assert journalled(tmp_path) == inspector.told

        lose_the_next_reply(person)
        inspector.press()
        person.until(lambda: journalled(tmp_path) == inspector.told, "it is not on the disk")
        served.kill()
        served = again(served, typed, tmp_path, port)
        person.run("window.lose()")
        inspector.answer(6)  # the last ones are of the starting set

        assert journalled(tmp_path) == inspector.told
        assert person.run("return window.isSameTab")
        assert person.run("return document.getElementById('trouble').hidden")
        served.stop()
        assert journalled(tmp_path) == inspector.told
    finally:
        served.kill()


def again(killed: Served, typed: tuple[str, ...], cwd: Path, port: int) -> Served:
    """Type the same command again."""
    served = Served(typed, cwd, port)
    served.enter()
    assert served.address == killed.address
    return served


def lose_the_next_reply(person: Person) -> None:
    """Let the page wait for the reply to an answer that the server has, until ``window.lose()`` breaks it off."""
    person.run(
        """
        const real = window.fetch;
        window.fetch = (path, options) => {
          if (path !== "/api/tell") return real(path, options);
          window.fetch = real;
          real(path, options).catch(() => {});
          return new Promise((_, reject) => { window.lose = () => reject(new TypeError("the reply is lost")); });
        };
        """
    )
