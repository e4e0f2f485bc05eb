from __future__ import annotations

import pytest

from coilal.labelling.contract import Point
from coilal.labelling.page.curve import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, chart


def test_without_a_point_there_is_no_curve() -> None:
    assert chart([], "accuracy") is None


def test_points_lie_on_their_scales() -> None:
    drawn = chart([Point(10, 0.5, 0.4, 0.6, 64, 10), Point(20, 1.0, 0.8, 1.0, 64, 10)], "accuracy")
    assert drawn is not None
    (x_first, y_first, low, high), (x_last, y_last, *_) = drawn.dots
    assert (x_last, y_last) == (WIDTH - RIGHT, TOP)
    assert x_first == (LEFT + WIDTH - RIGHT) / 2
    assert low == HEIGHT - BOTTOM  # the scale begins at the lowest end of an interval
    assert high < y_first < low
    assert [text for _, text in drawn.up] == ["100%", "80%", "60%", "40%"]


@pytest.mark.parametrize(
    ("most", "marks"),
    [(3, "0 1 2 3"), (24, "0 5 10 15 20"), (96, "0 20 40 60 80"), (1000, "0 200 400 600 800 1000")],
)
def test_few_round_numbers_mark_the_labels(most: int, marks: str) -> None:
    drawn = chart([Point(most, 0.9, 0.8, 0.95, 64, 10)], "accuracy")
    assert drawn is not None
    assert " ".join(text for _, text in drawn.across) == marks


@pytest.mark.parametrize("low", [0.0, 0.999])
def test_every_share_has_a_place(low: float) -> None:
    drawn = chart([Point(0, low, low, 1.0, 64, 10)], "accuracy")
    assert drawn is not None
    assert all(TOP <= place <= HEIGHT - BOTTOM for _, *places in drawn.dots for place in places)


@pytest.mark.parametrize(
    ("groups", "words"), [(10, "measured on 64 images of 10 parts"), (0, "measured on 64 images")]
)
def test_the_words_say_what_it_was_measured_on(groups: int, words: str) -> None:
    drawn = chart([Point(24, 0.75, 0.6, 0.9, 64, groups)], "accuracy")
    assert drawn is not None
    assert drawn.words.endswith(f"75% after 24 labels, 95 % interval 60% to 90%, {words}")


def test_one_is_not_called_many() -> None:
    drawn = chart([Point(1, 1.0, 0.0, 1.0, 1, 1)], "accuracy")
    assert drawn is not None
    assert "after 1 label, " in drawn.words
    assert drawn.words.endswith("measured on 1 image of 1 part")
