from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.browser.person import Person
from tests.unit.labelling.fake_desk import FakeDesk

pytestmark = pytest.mark.slow
Sit = Callable[..., Person]


def test_a_server_that_is_killed_loses_nothing_and_doubles_nothing(sit: Sit) -> None:
    desk = FakeDesk()
    person = sit(desk)
    person.answer("1", "view02")
    person.served.kill()
    person.press("2")
    person.until(lambda: "is kept here" in person.text("trouble"), "not said")
    assert "«dent» for coil001_view02.png" in person.text("trouble")
    person.press("3", "1", "u")  # nobody can answer an image twice meanwhile
    person.served.again()
    person.sees("view03")
    assert [(told.number, told.answer) for told in desk.told] == [(0, "ok"), (1, "dent")]
    assert person.run("return document.getElementById('trouble').hidden")
    person.answer("3", "view04")


def test_an_answer_survives_that_the_page_is_loaded_again(sit: Sit) -> None:
    desk = FakeDesk()
    person = sit(desk)
    desk.disk_is_full = True
    person.press("2")
    person.until(lambda: "the disk is full" in person.text("trouble"), "not said")
    person.driver.refresh()
    person.until(lambda: "«dent» for coil001_view01.png" in person.text("trouble"), "forgotten")
    assert not desk.told
    desk.disk_is_full = False
    person.sees("view02")
    assert desk.answers() == {0: "dent"}


def test_a_reply_that_is_lost_does_not_double_the_answer(sit: Sit) -> None:
    desk = FakeDesk()
    person = sit(desk)
    person.run(
        """
        const real = window.fetch;
        window.fetch = async (path, options) => {
          const reply = await real(path, options);
          if (path !== "/api/tell") return reply;
          window.fetch = real;
          throw new TypeError("the reply is lost");
        };
        """
    )
    person.answer("2", "view02")
    assert [(told.number, told.answer) for told in desk.told] == [(0, "dent")]


def test_an_answer_that_is_refused_is_said_and_can_be_given_anew(sit: Sit) -> None:
    desk = FakeDesk()
    person = sit(desk)
    desk.classes.remove("scratch")  # as if the page were an old one
    person.press("3")
    person.until(lambda: "no class is named scratch" in person.text("trouble"), "not said")
    person.answer("1", "view02")
    assert desk.answers() == {0: "ok"}
    assert person.run("return document.getElementById('trouble').hidden")


def test_a_conflict_is_said(sit: Sit) -> None:
    desk = FakeDesk()
    desk.conflict = "scratch"
    person = sit(desk)
    person.answer("1", "view02")
    assert "somebody else had told «scratch»" in person.text("said")
    person.until(lambda: "told differently by two people" in person.text("note-list"), "not noted")


def test_an_image_that_cannot_be_read_can_be_skipped(sit: Sit) -> None:
    desk = FakeDesk()
    desk.files[1] = b"damaged"
    person = sit(desk)
    person.answer("1", "view02")  # as the model sees it
    person.answer("s", "view03")
    assert len(desk.told) == 2


def test_two_tabs_are_given_different_images(sit: Sit) -> None:
    person = sit(FakeDesk())
    first = person.driver.current_window_handle
    person.driver.switch_to.new_window("tab")
    try:
        person.driver.get(person.served.address)
        person.sees("view02")
    finally:
        person.driver.close()
        person.driver.switch_to.window(first)
