from __future__ import annotations

import numpy as np

from coilal.data.annotations import Annotations, of_all_rows

IS_LABELLED = np.array([True, False, True])


def test_rows_without_a_label_have_no_class_and_no_label() -> None:
    annotations = Annotations(
        labels=np.array([[1, 0], [1, 1]], np.uint8), classes=np.array([2, 0]), class_names=("a", "b", "c")
    )
    whole = of_all_rows(annotations, IS_LABELLED)
    assert whole.labels is not None
    assert whole.labels.tolist() == [[1, 0], [0, 0], [1, 1]]
    assert whole.labels.dtype == np.uint8
    assert whole.classes is not None
    assert whole.classes.tolist() == [2, -1, 0]
    assert whole.class_names == annotations.class_names


def test_what_is_not_known_stays_unknown() -> None:
    whole = of_all_rows(Annotations(classes=np.array([0, 0])), IS_LABELLED)
    assert whole.labels is None
    assert of_all_rows(Annotations(labels=np.zeros((2, 1), np.uint8)), IS_LABELLED).classes is None
