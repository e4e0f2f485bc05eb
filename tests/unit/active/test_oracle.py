from __future__ import annotations

import numpy as np
import pytest

from coilal.active.oracle import Oracle


def test_reveals_by_id_in_the_order_asked_and_counts_each_image_once() -> None:
    oracle = Oracle(np.array([7, 8, 9, -1]))
    assert oracle.revealed == 0
    assert oracle.reveal(np.array([2, 0])).tolist() == [9, 7]
    assert oracle.reveal(np.array([0, 1])).tolist() == [7, 8]
    assert oracle.revealed == 3


def test_reveals_label_vectors() -> None:
    labels = np.array([[0, 1], [1, 1], [0, 0]])
    assert Oracle(labels).reveal(np.array([1, 2])).tolist() == [[1, 1], [0, 0]]


def test_what_is_revealed_is_a_copy() -> None:
    values = np.array([1, 2])
    Oracle(values).reveal(np.array([0]))[0] = 5
    assert values.tolist() == [1, 2]


@pytest.mark.parametrize("number", [-1, 4])
def test_unknown_ids_are_refused(number: int) -> None:
    with pytest.raises(ValueError, match=f"id {number} is not one of the 4 images"):
        Oracle(np.array([7, 8, 9, -1])).reveal(np.array([0, number]))


@pytest.mark.parametrize("values", [np.array([1, -1]), np.array([[0, 1], [-1, -1]])])
def test_images_without_label_are_refused_and_not_counted(values: np.ndarray) -> None:
    oracle = Oracle(values)
    with pytest.raises(ValueError, match="id 1 has no label"):
        oracle.reveal(np.array([0, 1]))
    assert oracle.revealed == 0
