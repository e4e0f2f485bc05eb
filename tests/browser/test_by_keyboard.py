from __future__ import annotations

import threading
import time
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from selenium.webdriver.common.keys import Keys

from coilal.active.labels import NoLabel
from tests.browser.person import Person
from tests.unit.labelling.fake_desk import FakeDesk

pytestmark = pytest.mark.slow
Sit = Callable[..., Person]
OF_PART = "coil{:03d}_view{:02d}"
FILTER = "return document.querySelector('#viewer img').style.filter"


def name(number: int) -> str:
    return OF_PART.format(number // 4 + 1, number % 4 + 1)


def is_open(person: Person, dialog: str) -> bool:
    return bool(person.run("return document.getElementById(arguments[0]).open", dialog))


def test_a_batch_is_labelled_by_keyboard_alone(sit: Sit) -> None:
    desk = FakeDesk(audit=2, asked=6)
    person = sit(desk)
    assert person.text("stage") == "Audit set: these images only measure"
    keys = "213123"
    for number, key in enumerate(keys[:-1]):
        person.answer(key, name(number + 1))
    assert person.text("stage") == "Batch to learn from"
    person.press(keys[-1])
    person.until(lambda: not person.run("return document.getElementById('moment').hidden"), "no pause")
    names = {"1": "ok", "2": "dent", "3": "scratch"}
    assert [told.answer for told in desk.told] == [names[key] for key in keys]
    assert [told.number for told in desk.told] == list(range(6))
    assert len({told.who for told in desk.told}) == 1
    assert all(0 < told.seconds < 10 for told in desk.told)
    # of the audit set, no guess is shown
    assert [told.saw_guess for told in desk.told] == [False, False, True, True, True, True]
    assert person.faults() == []


def test_while_the_model_learns_the_last_answers_can_be_corrected(sit: Sit) -> None:
    desk = FakeDesk(asked=2)
    person = sit(desk)
    person.answer("1", name(1))
    desk.learning = "learning from 2 images"
    person.press("2")
    person.until(lambda: person.text("moment-title") == "The model is learning from 2 images …", "no pause")
    person.until(
        lambda: person.run("return document.querySelectorAll('#moment-images img').length") == 2, "no images"
    )
    person.click("#moment-images li:last-child button")
    person.sees(name(0))
    person.press("3")
    person.until(lambda: desk.answers()[0] == "scratch", "not corrected")
    person.until(lambda: not person.run("return document.getElementById('moment').hidden"), "no pause")
    desk.ask([7])
    desk.learning = ""
    person.sees(name(7))  # by itself
    assert person.faults() == []


def test_undo_shows_the_answer_and_takes_another(sit: Sit) -> None:
    desk = FakeDesk()
    person = sit(desk)
    person.answer("1", name(1))
    person.answer("2", name(2))
    person.answer("z", name(1))
    on = "return [...document.querySelectorAll('#classes [aria-pressed=true]')].map((each) => each.dataset.name)"
    assert person.run(on) == ["dent"]
    assert person.text("said").startswith("Undo:")
    person.answer("3", name(2))
    assert [(told.number, told.answer) for told in desk.told] == [(0, "ok"), (1, "dent"), (1, "scratch")]


def test_undo_twice_comes_back_to_the_first_one_undone(sit: Sit) -> None:
    desk = FakeDesk()
    person = sit(desk)
    person.answer("1", name(1))
    person.answer("2", name(2))
    person.answer("z", name(1))
    person.answer("z", name(0))
    person.answer("3", name(1))
    assert person.text("said").startswith("Undo:")
    person.answer("1", name(2))
    assert desk.answers() == {0: "scratch", 1: "ok"}


def test_what_others_hold_is_said(sit: Sit) -> None:
    desk = FakeDesk(asked=1)
    person = sit(desk)
    desk.held = 2
    person.press("1")
    person.until(lambda: "2 images are open in another window" in person.text("moment-title"), "nothing was said")


def test_unsure_and_skip_go_on(sit: Sit) -> None:
    desk = FakeDesk()
    person = sit(desk)
    person.answer("u", name(1))
    person.answer("s", name(2))
    assert desk.answers() == {0: NoLabel.UNSURE, 1: NoLabel.SKIP}


def test_the_whole_part_is_told_at_once(sit: Sit) -> None:
    desk = FakeDesk()
    person = sit(desk)
    person.press("p")
    assert person.is_pressed("part")
    assert "all 4 views of coil001" in person.text("said")
    person.answer("2", name(4))
    assert desk.answers() == dict.fromkeys(range(4), "dent")
    assert not person.is_pressed("part")
    assert "told of 4 views" in person.text("said")


def test_a_class_is_added_and_has_the_next_key(sit: Sit) -> None:
    desk = FakeDesk()
    person = sit(desk)
    person.press("n", "1", "ok", Keys.ENTER)  # in the dialog, keys are letters
    person.until(lambda: desk.classes[-1] == "1ok", "not added")
    person.until(lambda: not is_open(person, "add-dialog"), "still open")
    person.answer("4", name(1))
    assert desk.answers() == {0: "1ok"}
    person.press("n", "ok", Keys.ENTER)
    person.until(lambda: person.text("add-trouble") == "'ok' is no new name", "not refused in words")
    person.press(Keys.ESCAPE)
    person.until(lambda: not is_open(person, "add-dialog"), "still open")
    person.answer("1", name(2))


def test_a_class_stays_though_news_from_before_it_come_late(sit: Sit) -> None:
    person = sit(desk := FakeDesk())
    person.run(
        """
        const real = window.fetch;
        window.fetch = async (address, ...rest) => {
          const reply = await real(address, ...rest);
          if (String(address).includes("/api/progress")) await new Promise((done) => (window.deliver = done));
          return reply;
        };
        """
    )
    person.until(lambda: person.run("return window.deliver !== undefined"), "no news on their way")
    person.press("n", "b", "u", "r", "r", Keys.ENTER)
    person.until(lambda: not is_open(person, "add-dialog"), "still open")
    person.run("window.deliver()")
    person.run("return new Promise((done) => setTimeout(done, 200))")
    person.answer("4", name(1))
    assert desk.answers() == {0: "burr"}


@pytest.mark.parametrize("dialog", ["add-dialog", "key-list"])
def test_a_key_counts_before_the_frame_in_which_a_dialog_goes(sit: Sit, dialog: str) -> None:
    person = sit(desk := FakeDesk("multilabel"))
    person.press("1", {"add-dialog": "n", "key-list": "?"}[dialog])
    person.until(lambda: is_open(person, dialog), "not open")
    person.run(
        """
        document.getElementById(arguments[0]).close();
        const pressed = (key) => new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true });
        for (const key of ["3", "Enter"]) document.activeElement.dispatchEvent(pressed(key));
        """,
        dialog,
    )
    person.sees(name(1))
    assert desk.answers() == {0: ("ok", "scratch")}


def test_labels_are_switched_and_told_with_enter(sit: Sit) -> None:
    desk = FakeDesk("multilabel", classes=[f"fault {number}" for number in range(1, 12)])
    person = sit(desk)
    person.press("1", "3", "1", "9")
    assert person.text("tell-text") == "Tell: fault 3 + fault 9"
    person.answer(Keys.ENTER, name(1))
    assert person.text("tell-text") == "Tell: none of them"
    person.answer(Keys.ENTER, name(2))
    person.click("#classes button:nth-child(11)")  # it has no key
    person.answer(Keys.ENTER, name(3))
    assert desk.answers() == {0: ("fault 3", "fault 9"), 1: (), 2: ("fault 11",)}
    person.answer("z", name(2))
    assert person.text("tell-text") == "Tell: fault 11"


def test_back_and_forth_through_what_was_seen(sit: Sit) -> None:
    desk = FakeDesk()
    person = sit(desk)
    person.answer("1", name(1))
    person.answer("1", name(2))
    person.answer(Keys.ARROW_LEFT, name(1))
    person.answer(Keys.ARROW_LEFT, name(0))
    person.answer(Keys.ARROW_RIGHT, name(1))
    person.answer("3", name(2))
    assert desk.answers() == {0: "ok", 1: "scratch"}
    person.answer(Keys.ARROW_DOWN, name(3))
    person.answer(Keys.ARROW_UP, name(2))


def test_a_view_that_is_not_asked_for_cannot_be_told_alone(sit: Sit) -> None:
    desk = FakeDesk(asked=1)
    person = sit(desk)
    person.press(Keys.ARROW_DOWN)
    person.until(lambda: "not asked for" in person.text("said"), "not said")
    person.press("1", "u")
    person.press("p")
    person.press("1")
    person.until(lambda: len(desk.told) == 4, "the part was not told")
    assert set(desk.answers().values()) == {"ok"}


def test_the_image_is_zoomed_contrasted_and_compared(sit: Sit) -> None:
    person = sit(FakeDesk())
    look = "const {style} = document.querySelector('#viewer img'); return [style.transform, style.imageRendering]"
    source = "return document.querySelector('#viewer img').src"
    person.until(lambda: "/full/0" in person.run(source), "the file is not shown")
    assert person.run(look) == ["", ""]
    person.press("+", "+")
    transform, rendering = person.run(look)
    assert ("scale(2.44" in transform, rendering) == (True, "pixelated")
    person.press("-", "-")
    assert person.run(look) == ["", ""]
    person.press("c")
    person.until(lambda: "contrast" in person.run(FILTER), "no contrast")
    person.press("c", "m")
    person.until(lambda: "/image/0" in person.run(source), "not as the model sees it")
    assert person.run(FILTER) == ""
    assert person.faults() == []


class Late(FakeDesk):
    """A desk whose images as the model sees them come late, after those at full size."""

    def __init__(self) -> None:
        super().__init__()
        self.come = threading.Event()

    def pixels(self, number: int) -> NDArray[np.uint8]:
        assert self.come.wait(60)
        return super().pixels(number)


@pytest.mark.parametrize(
    ("key", "there"),
    [("c", lambda person: "contrast" in person.run(FILTER)), ("m", lambda person: is_small(person))],
)
def test_contrast_and_the_model_s_view_wait_for_the_image_that_they_need(
    sit: Sit, key: str, there: Callable[[Person], bool]
) -> None:
    person = sit(desk := Late())
    person.press(key)
    assert not there(person)
    desk.come.set()
    person.until(lambda: there(person), "pressed in vain")
    person.press(key)
    person.until(lambda: not there(person), "it stays")


def is_small(person: Person) -> bool:
    return "/image/0" in person.run("return document.querySelector('#viewer img').src")


def test_the_guess_is_hidden_and_that_is_told(sit: Sit) -> None:
    desk = FakeDesk()
    desk.shows_guess = False
    person = sit(desk)
    assert person.text("guess") == "The model’s guess is hidden."
    person.answer("1", name(1))
    person.press("g")
    assert person.text("guess").startswith("Model: dent, ")
    person.answer("1", name(2))
    assert [told.saw_guess for told in desk.told] == [False, True]


def test_the_list_of_keys_opens_and_closes(sit: Sit) -> None:
    desk = FakeDesk()
    person = sit(desk)
    person.press("?")
    assert is_open(person, "key-list")
    person.press("1", Keys.ESCAPE)
    person.until(lambda: not is_open(person, "key-list"), "still open")
    assert not desk.told


def test_a_name_is_typed_and_kept(sit: Sit) -> None:
    desk = FakeDesk()
    person = sit(desk)
    person.click("#name")
    person.press("Zoë #1", Keys.ENTER)
    person.answer("1", name(1))
    assert desk.told[0].who.startswith("Zoë 1#")
    person.driver.refresh()
    person.sees(name(1))
    assert person.run("return document.getElementById('name').value") == "Zoë 1"
    person.run("localStorage.clear()")


def test_a_key_that_is_held_down_is_one_answer(sit: Sit) -> None:
    desk = FakeDesk()
    person = sit(desk)
    held = {"key": "1", "code": "Digit1", "repeat": True, "bubbles": True}
    person.run("document.body.dispatchEvent(new KeyboardEvent('keydown', arguments[0]))", held)
    time.sleep(0.1)
    assert not desk.told


def test_an_image_is_opened_from_the_gallery_and_corrected(sit: Sit) -> None:
    desk = FakeDesk()
    person = sit(desk)
    person.answer("1", name(1))
    person.answer("2", name(2))
    person.driver.get(f"{person.served.address}/gallery?label=ok")
    person.click(".cards a")
    person.sees(name(0))
    assert person.run("return document.getElementById('return-link').search") == "?label=ok"
    person.answer("3", name(2))
    assert desk.answers()[0] == "scratch"
    assert person.faults() == []
