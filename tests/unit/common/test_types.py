from __future__ import annotations

import numpy as np

from coilal.common.types import Samples, Targets

SAMPLES = Samples(
    names=("a", "b", "c", "d"),
    groups=("1", "1", "2", "3"),
    labels=np.array([[1], [0], [0], [1]], np.uint8),
    classes=np.array([1, -1, 0, 1]),
    class_names=("ok", "gap"),
    unlabelled=(1,),
    parts=("pool", "pool", "validation", "test"),
)


def test_a_subset_keeps_what_is_known_of_its_images() -> None:
    some = SAMPLES.subset(np.array([3, 1]))
    assert (some.names, some.groups, some.parts) == (("d", "b"), ("3", "1"), ("test", "pool"))
    assert some.classes is not None
    assert some.classes.tolist() == [1, -1]
    assert some.labels is not None
    assert some.labels.tolist() == [[1], [0]]
    assert some.unlabelled == (1,)
    assert some.is_labelled.tolist() == [True, False]
    assert SAMPLES.subset(np.array([0, 2])).unlabelled == ()


def test_values_below_0_are_no_labels() -> None:
    used = np.ones(2, dtype=np.bool_)
    assert Targets("multiclass", np.array([0, -1]), ("a",), used).is_labelled.tolist() == [True, False]
    two = Targets("multilabel", np.array([[0, 1], [-1, -1]]), ("a", "b"), used)
    assert two.is_labelled.tolist() == [True, False]
    none = Targets("multiclass", np.empty(0, np.int64), ("a",), np.empty(0, np.bool_))
    assert none.is_labelled.tolist() == []
