from __future__ import annotations

import numpy as np
import pytest
from scipy.special import softmax

from coilal.active.outputs import PoolOutputs
from coilal.active.strategies.multiclass import margin, uncertainty

LOGITS = np.random.default_rng(1).normal(scale=3, size=(400, 6))
ASCENDING = np.sort(softmax(LOGITS, axis=1), axis=1)


def outputs(logits: np.ndarray) -> PoolOutputs:
    return PoolOutputs("multiclass", np.arange(len(logits)) * 3, logits)


@pytest.mark.proof("margin", by="the definition by hand")
def test_margin_is_the_smallest_difference_of_the_two_largest() -> None:
    expected = ASCENDING[:, -1] - ASCENDING[:, -2]
    selection = margin(outputs(LOGITS), 400, np.random.default_rng(0))
    assert selection.ids.tolist() == (np.argsort(expected) * 3).tolist()
    np.testing.assert_allclose(selection.scores, np.sort(expected), atol=1e-14)


@pytest.mark.proof("uncertainty", by="the definition by hand")
def test_uncertainty_is_the_largest_complement_of_the_largest() -> None:
    expected = 1 - ASCENDING[:, -1]
    selection = uncertainty(outputs(LOGITS), 400, np.random.default_rng(0))
    assert selection.ids.tolist() == (np.argsort(-expected) * 3).tolist()
    np.testing.assert_allclose(selection.scores, np.sort(expected)[::-1], atol=1e-14)


@pytest.mark.proof("margin", "uncertainty", by="order where p rounds to 1")
def test_saturated_probabilities_still_rank() -> None:
    # p₁ rounds to 1 in every row; what is left of the second class still tells them apart.
    logits = np.array([[90.0, 0, 0], [50, 0, 0], [70, 0, 0], [70, 0, -90]])
    for strategy in (margin, uncertainty):
        for seed in range(5):
            ids = strategy(outputs(logits), 4, np.random.default_rng(seed)).ids
            assert ids.tolist() == [3, 6, 9, 0]


def test_margin_and_uncertainty_differ_for_three_classes() -> None:
    p = np.array([[0.48, 0.47, 0.05], [0.40, 0.30, 0.30]])
    assert margin(outputs(np.log(p)), 1, np.random.default_rng(0)).ids == [0]
    assert uncertainty(outputs(np.log(p)), 1, np.random.default_rng(0)).ids == [3]


def test_a_tie_of_the_two_largest_has_margin_zero() -> None:
    selection = margin(outputs(np.array([[1.0, 1.0, -3.0]])), 1, np.random.default_rng(0))
    assert abs(selection.scores[0]) < 1e-15
