from __future__ import annotations

import pytest

from coilal.labelling.contract import Point
from coilal.labelling.page.curve import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, chart


def test_without_a_point_there_is_no_curve() -> None:
    assert chart([], "accuracy") is None


def test_points_lie_on_their_scales() -> None:
    drawn = chart([Point(10, 0.5, 0.4, 0.6), Point(20, 1.0, 0.8, 1.0)], "accuracy")
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
    drawn = chart([Point(most, 0.9, 0.8, 0.95)], "accuracy")
    assert drawn is not None
    assert " ".join(text for _, text in drawn.across) == marks


@pytest.mark.parametrize("low", [0.0, 0.999])
def test_every_share_has_a_place(low: float) -> None:
    drawn = chart([Point(0, low, low, 1.0)], "accuracy")
    assert drawn is not None
    assert all(TOP <= place <= HEIGHT - BOTTOM for _, *places in drawn.dots for place in places)
