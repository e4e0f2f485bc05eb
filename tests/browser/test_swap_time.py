"""How long it takes from a key to the next image, as a line in the log: a benchmark, not a promise."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import pytest

from tests.browser.person import Person
from tests.browser.screenshots import COILS, VIEWS, photograph
from tests.unit.labelling.fake_desk import FakeDesk

pytestmark = pytest.mark.slow
ANSWERS = 30
LOOK_S = 0.1
"""A person takes longer; without a pause the loading of images beforehand would be measured."""


def test_the_next_image_comes_at_once(sit: Callable[..., Person], capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(COILS * VIEWS):
        photograph(number)
    desk = FakeDesk(images=COILS * VIEWS, views=VIEWS, asked=COILS * VIEWS, picture=photograph)
    person = sit(desk)
    for number in range(1, ANSWERS + 1):
        time.sleep(LOOK_S)
        person.answer("1", f"coil{number // VIEWS + 1:03d}_view{number % VIEWS + 1:02d}")
    took = person.run("return performance.getEntriesByName('coilal.swap').map((each) => each.duration)")
    assert len(took) == ANSWERS == len(desk.told)
    took.sort()
    with capsys.disabled():
        print(
            f"\nlabelling page, key to next image on screen: median {statistics.median(took):.1f} ms, "
            f"95 % below {took[int(0.95 * len(took))]:.1f} ms ({ANSWERS} answers, images of 745 × 486)"
        )
