"""A laptop is closed while an image waits, and opened again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from selenium import webdriver

from tests.browser.person import Person
from tests.unit.labelling.sessions import Opened, ask, opened

pytestmark = pytest.mark.slow
Sit = Callable[..., Person]
ASLEEP_S = 3600


@pytest.fixture
def line(tmp_path: Path) -> Opened:
    """A session without an audit set, which asks for six images of two coils."""
    there = opened(tmp_path, audit=False)
    ask(there.pool, *range(6))
    return there


@pytest.fixture(autouse=True)
def awake(driver: webdriver.Chrome) -> Iterator[None]:
    """Leave a page that is seen, whatever becomes of the test."""
    yield
    open_lid(driver)


def open_lid(driver: webdriver.Chrome) -> None:
    driver.set_window_rect(0, 0, 1400, 900)


def fall_asleep(person: Person) -> None:
    """Let the browser hide the page, as a lid that is closed does; meanwhile an hour passes by its clock."""
    person.driver.minimize_window()
    person.until(lambda: person.run("return document.hidden"), "still visible")
    person.run(
        """
        const now = performance.now.bind(performance);
        performance.now = () => now() + 1000 * arguments[0];
        """,
        ASLEEP_S,
    )


def wake_up(person: Person) -> None:
    open_lid(person.driver)
    person.until(lambda: not person.run("return document.hidden"), "still hidden")


def seconds(line: Opened) -> list[float]:
    """Return how long each answer took, in their order."""
    told = [line.pool.history(number) for number in line.pool.labelled[0].tolist()]
    return [each.about["seconds"] for history in told for each in history]


def test_who_comes_back_answers_the_same_image_and_the_time_asleep_is_no_work(sit: Sit, line: Opened) -> None:
    person = sit(line.desk, first="coila_1")
    fall_asleep(person)
    wake_up(person)
    person.sees("coila_1")
    person.answer("1", "coila_2")
    (took,) = seconds(line)
    assert took < ASLEEP_S / 2


def test_an_image_that_went_to_somebody_else_meanwhile_is_replaced_and_that_is_said(
    sit: Sit, line: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = sit(line.desk, first="coila_1")
    fall_asleep(person)
    with monkeypatch.context() as minutes_later:
        minutes_later.setattr("coilal.labelling.desk.HELD_S", 0.0)
        given = line.desk.next("Anna#1")
    assert given is not None
    assert given.name == "coila_1.png"
    wake_up(person)
    person.until(lambda: "went to somebody else meanwhile" in person.text("said"), "not said")
    person.sees("coila_2")
    line.desk.tell("Anna#1", given.number, "dent", 1.0, saw_guess=False)
    person.answer("1", "coila_3")
    assert [line.desk.standing(number) for number in range(3)] == ["dent", "ok", None]
    assert max(seconds(line)) < ASLEEP_S / 2


def test_news_from_before_an_answer_do_not_bring_its_image_back(sit: Sit, line: Opened) -> None:
    person = sit(line.desk, first="coila_1")
    person.run(
        """
        const real = window.fetch;
        window.fetch = async (address, ...rest) => {
          const reply = await real(address, ...rest);
          if (String(address).startsWith("/api/next")) await new Promise((done) => (window.deliver = done));
          return reply;
        };
        """
    )
    fall_asleep(person)
    wake_up(person)
    person.until(lambda: person.run("return window.deliver !== undefined"), "no news on their way")
    person.answer("1", "coila_2")
    person.run("window.deliver()")
    person.run("return new Promise((done) => setTimeout(done, 200))")
    person.answer("2", "coila_3")
    assert [line.desk.standing(number) for number in range(3)] == ["ok", "dent", None]
