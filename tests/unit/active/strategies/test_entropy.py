from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.special import expit, softmax
from scipy.stats import entropy as scipy_entropy

from coilal.active.outputs import PoolOutputs
from coilal.active.strategies.entropy import entropy, mean_binary_entropy, softmax_entropy

LOGITS = np.random.default_rng(0).normal(scale=4, size=(500, 5))


@pytest.mark.proof("entropy", by="scipy, both tasks")
def test_softmax_entropy_agrees_with_scipy() -> None:
    expected = scipy_entropy(softmax(LOGITS, axis=1), axis=1)
    np.testing.assert_allclose(softmax_entropy(LOGITS), expected, rtol=1e-10)


def test_mean_binary_entropy_agrees_with_scipy() -> None:
    p = expit(LOGITS)
    expected = scipy_entropy(np.stack([p, 1 - p]), axis=0).mean(axis=1)
    np.testing.assert_allclose(mean_binary_entropy(LOGITS), expected, rtol=1e-9)


@pytest.mark.parametrize("size", [40.0, 100.0, 600.0])
def test_saturated_probabilities_keep_their_entropy(size: float) -> None:
    expected = math.exp(-size) * (1 + size)  # first order in exp(-size)
    np.testing.assert_allclose(softmax_entropy(np.array([[size, 0.0]])), expected, rtol=1e-12)
    np.testing.assert_allclose(mean_binary_entropy(np.array([[size], [-size]])), expected, rtol=1e-12)


def test_order_of_the_classes_makes_no_difference() -> None:
    assert (softmax_entropy(LOGITS) == softmax_entropy(LOGITS[:, ::-1])).all()


@pytest.mark.parametrize(("kind", "score"), [("multiclass", softmax_entropy), ("multilabel", mean_binary_entropy)])
def test_highest_entropy_comes_first(kind: str, score: object) -> None:
    outputs = PoolOutputs(kind, np.arange(500) + 1000, LOGITS)  # type: ignore[arg-type]
    selection = entropy(outputs, 20, np.random.default_rng(0))
    scores = score(LOGITS)  # type: ignore[operator]
    assert selection.ids.tolist() == (np.argsort(-scores)[:20] + 1000).tolist()
    np.testing.assert_array_equal(selection.scores, np.sort(scores)[::-1][:20])
