from __future__ import annotations

from collections.abc import Callable

import pytest
from selenium.webdriver.common.keys import Keys

from tests.browser.browser import sized
from tests.browser.person import Person
from tests.unit.labelling.fake_desk import FakeDesk

pytestmark = pytest.mark.slow
Sit = Callable[..., Person]
NAMED = {"button", "link", "textbox", "image", "img", "progressindicator", "checkbox", "dialog", "group", "region"}


@pytest.mark.parametrize("width", [380, 700, 1000, 1400])
@pytest.mark.parametrize("kind", ["multiclass", "multilabel"])
def test_nothing_overflows_and_the_image_is_large(sit: Sit, width: int, kind: str) -> None:
    classes = ["good", "gap", "a class with a very long name indeed", *(f"fault {number}" for number in range(9))]
    desk = FakeDesk(kind, classes=classes, views=16, images=64, audit=1)  # type: ignore[arg-type]
    person = sit(desk, width, 860)
    assert person.run("return document.documentElement.scrollWidth") <= width
    for key in ("1", "2") if kind == "multiclass" else ("1", Keys.ENTER, "3", Keys.ENTER):
        person.press(key)
        person.sees("view")
    assert person.run("return document.documentElement.scrollWidth") <= width
    left, top, right, bottom = person.run(
        "const box = document.querySelector('#viewer img').getBoundingClientRect();"
        "return [box.left, box.top, box.right, box.bottom]"
    )
    assert left >= 0
    assert right <= width
    assert bottom <= 860
    assert (right - left) >= 0.55 * width
    assert (bottom - top) >= 250
    panel = "const panel = document.querySelector('.panel'); return panel.scrollWidth - panel.clientWidth"
    assert person.run(panel) <= 0
    person.driver.get(f"{person.served.address}/gallery")
    assert person.run("return document.documentElement.scrollWidth") <= width


def test_the_strip_has_the_image_in_its_middle_whatever_the_window(sit: Sit) -> None:
    person = sit(FakeDesk(views=40, images=80, asked=40))
    for number in range(20):
        person.answer("1", f"view{number + 2:02d}")
    off = """
        const list = document.getElementById("views"), here = list.querySelector("[aria-current]");
        const [outer, inner] = [list.getBoundingClientRect(), here.getBoundingClientRect()];
        const middle = (box) => [(box.left + box.right) / 2, (box.top + box.bottom) / 2];
        const [x, y] = middle(outer).map((value, axis) => Math.abs(value - middle(inner)[axis]));
        return Math.max(x, y);
    """
    for width, height in ((1400, 900), (380, 860), (700, 500), (1400, 500)):
        sized(person.driver, width, height)
        person.until(lambda: person.run(off) < 12, f"not in the middle at {width} × {height}")


@pytest.mark.parametrize("width", [380, 1400])
def test_the_strip_says_that_it_has_some_of_many_views(sit: Sit, width: int) -> None:
    person = sit(FakeDesk(views=100, images=100, asked=100), width)
    assert person.text("some-views") == "41 of 100 views; ↑ and ↓ show the others"
    person.driver.get(f"{person.served.address}/?show=50")
    person.sees("view51")
    assert person.text("some-views") == "81 of 100 views; ↑ and ↓ show the others"
    assert person.run("return document.getElementById('some-views').checkVisibility()")
    assert person.run("return document.documentElement.scrollWidth") <= width
    person.answer(Keys.ARROW_UP, "view50")


def test_of_a_part_that_is_shown_whole_the_strip_says_nothing(sit: Sit) -> None:
    person = sit(FakeDesk(views=80, images=80))
    assert person.run("return document.querySelectorAll('#views li').length") == 80
    assert not person.run("return document.getElementById('some-views').checkVisibility()")


def test_the_image_stays_in_its_place(sit: Sit) -> None:
    person = sit(FakeDesk())
    place = "return JSON.stringify(document.getElementById('viewer').getBoundingClientRect())"
    before = person.run(place)
    person.run(
        "window.shifts = 0;"
        "const add = (list) => list.getEntries().forEach((each) => window.shifts += each.value);"
        "new PerformanceObserver(add).observe({type: 'layout-shift'})"
    )
    for number in range(2, 6):
        person.answer("1", f"view{(number - 1) % 4 + 1:02d}")
    assert person.run(place) == before
    assert person.run("return window.shifts") < 0.02


@pytest.mark.parametrize("path", ["/", "/gallery"])
@pytest.mark.parametrize("kind", ["multiclass", "multilabel"])
def test_every_control_has_a_name_for_screen_readers(sit: Sit, path: str, kind: str) -> None:
    desk = FakeDesk(kind)  # type: ignore[arg-type]
    person = sit(desk)
    desk.tell("Anna#1", 5, "dent" if kind == "multiclass" else ("dent",), 1.0, False)
    person.driver.get(person.served.address + path)
    if path == "/":
        person.sees("view01")
    nodes = person.driver.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
    controls = [node for node in nodes if not node["ignored"] and node["role"]["value"].lower() in NAMED]
    assert len(controls) > 6
    nameless = [node["role"]["value"] for node in controls if not node.get("name", {}).get("value", "").strip()]
    assert nameless == []


def test_what_happens_is_announced_and_the_focus_is_seen(sit: Sit) -> None:
    person = sit(FakeDesk())
    assert person.run("return document.getElementById('said').ariaLive") == "polite"
    assert person.run("return document.getElementById('trouble').getAttribute('role')") == "alert"
    seen = set()
    for _ in range(12):
        person.press(Keys.TAB)
        seen.add(person.run("return getComputedStyle(document.activeElement).outlineStyle"))
    assert seen == {"solid"}


def test_the_focus_stays_where_it_was_while_answers_are_given(sit: Sit) -> None:
    desk = FakeDesk()
    person = sit(desk)
    person.run("document.querySelector('#classes button:nth-child(2)').focus()")
    person.answer(Keys.ENTER, "view02")
    person.answer(Keys.SPACE, "view03")
    assert [told.answer for told in desk.told] == ["dent", "dent"]
    assert person.run("return document.activeElement.dataset.name") == "dent"


def test_each_key_has_a_button_that_does_the_same(sit: Sit) -> None:
    person = sit(FakeDesk("multilabel"))
    keys = "Enter u s z ArrowLeft ArrowRight ArrowUp ArrowDown p n + - 0 c m g ? 1 2 3"
    visible = "[...document.querySelectorAll('button[aria-keyshortcuts]')].filter((each) => each.checkVisibility())"
    buttons = person.run(f"return {visible}.map((each) => each.getAttribute('aria-keyshortcuts'))")
    assert sorted(buttons) == sorted(keys.split())


def test_the_dark_page_has_a_dark_ground(sit: Sit) -> None:
    person = sit(FakeDesk())
    ground = "return getComputedStyle(document.body).backgroundColor"
    light = person.run(ground)
    features = [{"name": "prefers-color-scheme", "value": "dark"}]
    person.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    assert person.run(ground) != light
