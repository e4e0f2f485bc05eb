from __future__ import annotations

import numpy as np
import pytest

from coilal.common.types import DataError, Samples
from coilal.data.division import Division
from coilal.data.left_out import ensure_left_out, left_out

TESTED = np.array([True, True, True, False, False])


def typed(*values: str) -> Samples:
    return Samples(tuple("abcde"), ("g1", "g1", "g2", "g3", "g4"), attributes={"type": values})


def test_one_value_is_left_out_as_a_whole() -> None:
    ensure_left_out(typed("x", "x", "x", "y", "z"), "type", TESTED)


@pytest.mark.parametrize(
    ("values", "places"),
    [
        (("x", "x", "x", "x", "y"), ("x: 2 groups of it are tested, 1 are not",)),
        (
            ("x", "x", "y", "z", "z"),
            ("x: 1 groups of it are tested, 0 are not", "y: 1 groups of it are tested, 0 are not"),
        ),
    ],
)
def test_a_test_part_whose_values_were_edited_is_refused(values: tuple[str, ...], places: tuple[str, ...]) -> None:
    with pytest.raises(DataError, match="another study=…") as refused:
        ensure_left_out(typed(*values), "type", TESTED)
    assert refused.value.problems[0].places == places


def test_a_split_beyond_the_values_is_refused_with_those_that_there_are() -> None:
    division = Division.of({"validation": 0.15, "test": 0.25, "folds": None, "by": "type"}, 3)
    with pytest.raises(DataError, match=r"type has 3 values \(x, y, z\), of which .* there are splits 0 to 2"):
        left_out(typed("x", "x", "x", "y", "z"), division)
