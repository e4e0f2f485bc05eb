from __future__ import annotations

import numpy as np
import pytest

from coilal.active.labels import as_labels, as_values
from coilal.common.types import Kind, UserError

NAMES = ("gap", "double", "a+b")


@pytest.mark.parametrize(
    ("values", "labels", "kind"),
    [
        (np.array([2, 0, 0]), ["a+b", "gap", "gap"], "multiclass"),
        (np.array([[1, 0, 1], [0, 0, 0]]), [("gap", "a+b"), ()], "multilabel"),
    ],
)
def test_numbers_become_names_and_come_back(values: np.ndarray, labels: list[object], kind: Kind) -> None:
    assert as_labels(values, NAMES) == labels
    back = as_values(as_labels(values, NAMES), NAMES, kind)
    np.testing.assert_array_equal(back, values)
    assert back.dtype == np.int64


def test_what_was_told_keeps_its_meaning_when_the_classes_are_sorted_anew() -> None:
    assert as_values(["gap", "double"], ("double", "gap"), "multiclass").tolist() == [1, 0]


def test_a_label_that_is_no_class_any_more_is_told() -> None:
    with pytest.raises(UserError, match="crossing; it knows gap, double"):
        as_values(["gap", "crossing"], NAMES, "multiclass")


def test_labels_of_the_other_kind_of_task_are_told() -> None:
    with pytest.raises(UserError, match=r"1 labels .* not a list of labels of each image; the first is 'gap'"):
        as_values([("gap",), "gap"], NAMES, "multilabel")
    with pytest.raises(UserError, match=r"2 labels .* not one class of each image"):
        as_values([("gap",), ()], NAMES, "multiclass")
