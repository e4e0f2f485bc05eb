from __future__ import annotations

import numpy as np
import pytest

from coilal.active.labels import as_labels, as_values
from coilal.common.types import UserError

NAMES = ("gap", "double", "a+b")


@pytest.mark.parametrize(
    ("values", "labels"),
    [
        (np.array([2, 0, 0]), ["a+b", "gap", "gap"]),
        (np.array([[1, 0, 1], [0, 0, 0]]), [("gap", "a+b"), ()]),
    ],
)
def test_numbers_become_names_and_come_back(values: np.ndarray, labels: list[object]) -> None:
    assert as_labels(values, NAMES) == labels
    back = as_values(as_labels(values, NAMES), NAMES, "multiclass" if values.ndim == 1 else "multilabel")
    np.testing.assert_array_equal(back, values)
    assert back.dtype == np.int64


def test_what_was_told_keeps_its_meaning_when_the_classes_are_sorted_anew() -> None:
    assert as_values(["gap", "double"], ("double", "gap"), "multiclass").tolist() == [1, 0]


def test_a_label_that_is_no_class_any_more_is_told() -> None:
    with pytest.raises(UserError, match="crossing; it knows gap, double"):
        as_values(["gap", "crossing"], NAMES, "multiclass")


def test_a_label_of_the_other_kind_is_told() -> None:
    with pytest.raises(UserError, match=r"needs one class of each image, and was told \('double',\)"):
        as_values(["gap", ("double",)], NAMES, "multiclass")
    with pytest.raises(UserError, match="needs a list of labels of each image, and was told 'gap'"):
        as_values([(), "gap"], NAMES, "multilabel")


def test_where_nothing_is_told_the_task_says_the_shape() -> None:
    assert as_values([], NAMES, "multiclass").shape == (0,)
    assert as_values([], NAMES, "multilabel").shape == (0, 3)
